"""The display group of every action label: each label stands in exactly one group.

The table was written by hand. It names our labels, and the labels of Kinetics-600 that are none of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

_TABLE = {
    "Ball and target games": """
        axe throwing, bowling, catching a ball, catching or throwing baseball, catching or throwing frisbee,
        catching or throwing softball, curling, disc golfing, dodgeball, dribbling basketball, dunking basketball,
        golf chipping, golf driving, golf putting, hitting baseball, hockey stop, huddling, hurling (sport),
        juggling soccer ball, kicking a ball, kicking field goal, kicking soccer ball,
        passing American football (in game), passing american football (not in game), passing soccer ball,
        pitching horseshoes, playing air hockey, playing american football, playing badminton, playing baseball,
        playing basketball, playing beer pong, playing billiards, playing cricket, playing croquet, playing darts,
        playing field hockey, playing golf, playing ice hockey, playing kickball, playing lacrosse,
        playing netball, playing rugby, playing shuffleboard, playing soccer, playing squash or racquetball,
        playing table tennis, playing tennis, playing volleyball, playing water polo, shooting an arrow,
        shooting basketball, shooting goal (soccer), sport shooting, swinging baseball bat, tackling,
        throwing a frisbee, throwing ball (not baseball or American football), throwing knife
    """,
    "Athletics, fitness and fighting": """
        arm wrestling, backflip (human), battle rope training, bench pressing, bending back, breaking boards,
        capoeira, cartwheeling, cheerleading, clean and jerk, contorting, deadlifting, doing aerobics,
        doing handstand push-ups, doing jumping jacks, doing lunges, doing pull-ups, doing push-ups, doing squats,
        doing wall push-ups, drop kicking, exercising with an exercise ball, fencing, fighting or boxing,
        front raises, gymnastics tumbling, head stand, headbutting, high jump, high kick, jogging, judo, jumping,
        jumping on a trampoline, lifting weights, long jump, mountain climber (exercise), parkour,
        performing gymnastics, playing kabaddi, pole vault, punching bag, punching person (boxing), rope pushdown,
        running, running hurdles, running on treadmill, side kick, situp, skipping rope, slapping,
        snatch weight lifting, somersaulting, standing on hands, stretching arm, stretching leg, sumo wrestling,
        sword fighting, tai chi, throwing, throwing discus, throwing the hammer, throwing the javelin,
        throwing the shot, triple jump, tug of war, walking on hands, wheelchair racing, working out, wrestling, yoga
    """,
    "Water, snow and ice": """
        biking through snow, bobsledding, bodysurfing, canoeing or kayaking, capsizing, carving ice, diving cliff,
        docking boat, figure skating, ice climbing, ice skating, ice swimming, jetskiing, jumping into pool,
        kitesurfing, luge, making snowman, parasailing, racing boats, rowing or paddling, sailing, scuba diving,
        shoveling snow, ski jumping, skiing, skiing crosscountry, skiing mono, skiing slalom, sledding, snorkeling,
        snowboarding, snowkiting, speed skating, springboard diving, surfing, swimming, swimming backstroke,
        swimming breast stroke, swimming butterfly stroke, swimming front crawl, throwing snowballs, tobogganing,
        wading through water, walking through snow, water skiing, water sliding, windsurfing
    """,
    "Riding, driving and flying": """
        base jumping, bulldozing, changing gear in car, driving a car, driving tractor, falling off bike,
        flying an aircraft or spacecraft, hang gliding, hoverboarding, jumping bicycle, land sailing,
        lawn mower racing, longboarding, paragliding, pumping gas, pushing a cart, pushing car,
        pushing something, pushing wheelbarrow, pushing wheelchair, racing cars, racing formula cars,
        racing motorcycles, riding a bicycle, riding a motorcycle, riding a motorcycle or bicycle,
        riding a snowmobile, riding scooter, riding snow blower, riding unicycle, roller skating, skateboarding,
        skydiving, unloading truck, using segway
    """,
    "Climbing and outdoors": """
        abseiling, archaeological excavation, bungee jumping, casting fishing line, catching fish, clam digging,
        climbing a rope, climbing ladder, climbing stairs, climbing tree, crossing river, fishing, fly tying,
        geocaching, gold panning, ice fishing, lighting fire, mushroom foraging, picking fruit, rock climbing,
        skipping stone, slacklining, spelunking, wading through mud
    """,
    "Dance and shows": """
        acting in play, belly dancing, breakdancing, breathing fire, card throwing, contact juggling, cosplaying,
        country line dancing, cumbia, dancing, dancing ballet, dancing charleston, dancing gangnam style,
        dancing macarena, headbanging, historical reenactment, hula hooping, juggling balls, juggling fire,
        jumpstyle dancing, krumping, moon walking, mosh pit dancing, pirouetting, pole dancing, robot dancing,
        salsa dancing, spinning poi, square dancing, surfing crowd, swing dancing, sword swallowing, tango dancing,
        tap dancing, tightrope walking, trapeze, twirling a baton, using puppets, walking a runway, zumba
    """,
    "Music": """
        air drumming, beatboxing, busking, gospel singing in church, karaoke, listening to music,
        performing music, playing accordion, playing bagpipes, playing bass guitar, playing cello,
        playing clarinet, playing cymbals, playing didgeridoo, playing drums, playing flute, playing gong,
        playing guitar, playing harmonica, playing harp, playing keyboard, playing lute, playing maracas,
        playing ocarina, playing organ, playing pan pipes, playing piano, playing recorder, playing saxophone,
        playing trombone, playing trumpet, playing ukulele, playing violin, playing xylophone, recording music,
        singing, tapping guitar, whistling
    """,
    "Play and parties": """
        animated cartoon, blowing bubble gum, blowing bubbles, blowing out candles, bouncing on bouncy castle,
        building lego, building sandcastle, card stacking, carving pumpkin, celebrating,
        decorating the christmas tree, doing jigsaw puzzle, egg hunting, flying kite, folding paper, hopscotch,
        inflating balloons, making balloon shapes, making paper aeroplanes, opening present, pillow fight,
        playing a video game, playing blackjack, playing chess, playing controller, playing dominoes,
        playing hand clapping games, playing laser tag, playing marbles, playing monopoly, playing paintball,
        playing pinball, playing poker, playing rubiks cube, playing scrabble, playing with trains,
        popping balloons, rock scissors paper, shuffling cards, swinging on something, throwing water balloon,
        tossing coin, wrapping present
    """,
    "Food and drink": """
        baking cookies, barbequing, bartending, bottling, breading or breadcrumbing, chewing gum, chopping meat,
        chopping vegetables, cooking, cooking egg, cooking on campfire, cooking sausages (not on barbeque),
        cooking scallops, cutting apple, cutting orange, cutting pineapple, cutting vegetables, cutting watermelon,
        dining, drinking, drinking shots, eating, eating burger, eating cake, eating carrots, eating chips,
        eating doughnuts, eating hotdog, eating ice cream, eating spaghetti, eating watermelon, flipping pancake,
        frying vegetables, grinding meat, home roasting coffee, making a cake, making a sandwich, making cheese,
        making pizza, making sushi, making tea, opening bottle (not wine), opening wine bottle, peeling apples,
        peeling potatoes, pouring a drink, pouring beer, preparing salad, roasting marshmallows, roasting pig,
        rolling pastry, sausage making, scrambling eggs, separating eggs, shaping bread dough, shucking oysters,
        sipping cup, stomping grapes, sucking lolly, tasting beer, tasting food, tasting wine
    """,
    "House and garden": """
        arranging flowers, blowing leaves, cleaning gutters, cleaning pool, cleaning shoes, cleaning the floor,
        cleaning toilet, cleaning windows, closing a door, cutting trees, chopping wood, doing laundry,
        extinguishing fire, folding clothes, folding napkins, gardening, hand washing clothes, ironing,
        making the bed, mopping floor, moving furniture, mowing lawn, opening a door, opening refrigerator,
        packing, person collecting garbage, planting trees, sanding floor, setting table, sharpening knives,
        shining shoes, sweeping floor, trimming shrubs, trimming trees, vacuuming floor, washing dishes,
        watering plants
    """,
    "Craft, repair and building": """
        assembling bicycle, assembling computer, bending metal, blasting sand, blowing glass, bookbinding,
        building cabinet, building shed, changing oil, changing wheel (not on bike), checking tires,
        chiseling stone, chiseling wood, clay pottery making, embroidering, fixing a bicycle, fixing a car,
        flint knapping, installing carpet, knitting, laying bricks, laying concrete, laying stone, laying tiles,
        leatherworking, lock picking, making horseshoes, making jewelry, needle felting, planing wood,
        plastering, polishing metal, repairing or assembling, repairing puncture, sawing wood, scrapbooking,
        sewing, sharpening pencil, smashing, threading needle, tie dying, tying knot (not on a tie),
        using a paint roller, using a power drill, using a sledge hammer, using a wrench, using bagging machine,
        using circular saw, weaving basket, weaving fabric, welding, wood burning (art), yarn spinning
    """,
    "Body care and clothes": """
        adjusting glasses, applying cream, applying makeup, bandaging, blowdrying hair, blowing nose,
        braiding hair, brushing hair, brushing teeth, combing hair, cracking back, cracking knuckles,
        cracking neck, curling hair, cutting nails, doing nails, dyeing eyebrows, dyeing hair, fixing hair,
        getting a haircut, getting a piercing, getting a tattoo, ironing hair, massaging back, massaging feet,
        massaging legs, massaging neck, massaging person's head, putting in contact lenses, putting on eyeliner,
        putting on foundation, putting on lipstick, putting on mascara, putting on sari, putting on shoes,
        scrubbing face, shaving head, shaving legs, styling hair, trimming or shaving beard, tying bow tie,
        tying necktie, tying shoe laces, using inhaler, washing feet, washing hair, washing hands, waxing back,
        waxing chest, waxing eyebrows, waxing legs
    """,
    "Movements, faces and gestures": """
        applauding, burping, clapping, crossing eyes, crying, drooling, drumming fingers, faceplanting,
        falling off chair, fidgeting, finger snapping, holding an umbrella, laughing, licking, lifting hat,
        marching, picking something up, pinching, poking bellybutton, pumping fist, raising eyebrows,
        shaking head, shuffling feet, sitting, sitting down, sleeping, smelling feet, smoking, smoking hookah,
        smoking pipe, sneezing, standing up, staring, sticking tongue out, tapping pen, throwing tantrum,
        tiptoeing, twiddling fingers, waking up, walking, waving, winking, yawning
    """,
    "People, work and screens": """
        answering questions, arguing, attending conference, auctioning, brush painting, calculating, calligraphy,
        caring for a baby, carrying baby, coloring in, counting money, crawling baby, delivering mail,
        demonstrating a phone or computer, directing traffic, drawing, drawing or painting, dumpster diving,
        giving or receiving award, hugging (not baby), hugging baby, jaywalking, kissing, kissing or hugging,
        looking at phone, looking through a microscope, looking through a telescope, marriage proposal,
        news anchoring, phoning, photobombing, photocopying, presenting news, presenting weather forecast,
        reading, reading book, reading newspaper, ripping paper, shaking hands, shining flashlight, shopping,
        sign language interpreting, spray painting, tagging graffiti, taking photos, talking, testifying,
        texting, tickling, unboxing, using a computer, using atm, using remote controller (not gaming),
        waiting in line, watching TV, writing, writing in a book, writing on a board
    """,
    "Animals": """
        alligator wrestling, bathing dog, bee keeping, bull fighting, dog sledding, feeding a horse, feeding birds,
        feeding fish, feeding goats, grooming dog, grooming horse, holding snake, milking cow,
        petting animal (not cat), petting cat, playing polo, playing with a cat, playing with a dog,
        racing horses, riding a bull, riding a horse, riding camel, riding elephant, riding mechanical bull,
        riding mule, riding or walking with horse, shearing sheep, steer roping, training dog, visiting the zoo,
        walking a dog
    """,
}
GROUPS = {group: [" ".join(label.split()) for label in text.split(",")] for group, text in _TABLE.items()}


def label_groups(labels: Sequence[str]) -> dict[str, list[str]]:
    """These labels by group, in the order in which they are given; groups with none of them are left out.

    Raises KeyError for a label without a group.
    """
    group_of = {label: group for group, names in GROUPS.items() for label in names}
    grouped: dict[str, list[str]] = {group: [] for group in GROUPS}
    for label in labels:
        grouped[group_of[label]].append(label)
    return {group: names for group, names in grouped.items() if names}
