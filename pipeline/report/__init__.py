"""What leaves the program: figure data, the HTML page, subtitles."""
