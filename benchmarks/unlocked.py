"""A fork server whose children keep their rights, to measure the cost of the lock: benchmarks.unlocked SOCKET."""

from __future__ import annotations

from pipeline.sandbox import fork_server, lockdown

if __name__ == "__main__":
    for guard in ("_look_for_landlock", "_look_for_seccomp"):
        setattr(lockdown, guard, lambda: None)
    fork_server.main()
