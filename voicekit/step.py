"""`python -m voicekit.step`: the child process in which a worker has steps carried out (see voicekit.carrying)."""

from voicekit.wiring import open_app

if __name__ == "__main__":
    open_app().carry_out_steps()
