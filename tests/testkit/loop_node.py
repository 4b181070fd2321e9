"""The far end of a link under test, as a node of the story's own link: a Loop that steps whenever time passes."""


class LoopNode:
    """A subclass has feed() and take_datagrams() in the protocol of its link."""

    def __init__(self, loop, clock):
        self.loop, self.clock = loop, clock

    def tick(self, now_ms):
        self.clock.ms = now_ms
        self.loop.step(0)
        return ()

    def next_deadline_ms(self):
        return self.clock.ms + 100
