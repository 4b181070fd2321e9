"""A hub that keeps requests for the tube and answers them at a location, and lies wherever a test makes it.

It stands in for the real one where a client is under test, and never looks into what it keeps.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, response


class MailboxHub:
    """Joins a Link. asked: requests as they came; answers: by index of a request, the device's own response.

    shown: by index, what to answer a GET with instead.
    """

    def __init__(self, max_age_s=3600):
        self.max_age_s = max_age_s
        self.asked = []
        self.answers = {}
        self.shown = {}
        self.first = None  # what to answer a request with instead of 5.03
        self._out = []
        self._mid = 0

    def deliver(self, index=None):
        """Send one request to the tube, or all that have no answer, each under a token that names it."""
        waiting = [number for number in range(len(self.asked)) if number not in self.answers]
        for number in waiting if index is None else [index]:
            message = self.asked[number].copy()
            self._mid += 1
            message.mtype, message.mid, message.token = L.TYPE_CON, self._mid, b"hub" + bytes((number,))
            self._out.append((encode(message), "tube"))

    def feed(self, datagram, peer, now_ms):
        message = decode(datagram)
        if peer == "tube":
            if message.code and message.token[:3] == b"hub":
                self.answers[message.token[3]] = Message(message.code, message.payload, message.options)
        elif message.code == L.CODE_GET and message.get(L.OPT_OSCORE) is None:
            number = int(message.get_all(L.OPT_URI_PATH)[1])
            self._say(peer, message, self.shown.get(number) or self.answers.get(number) or self._waits())
        elif message.code:
            self.asked.append(Message(message.code, message.payload, message.options))
            where = str(len(self.asked) - 1)
            waits = self._waits().add(L.OPT_LOCATION_PATH, "later").add(L.OPT_LOCATION_PATH, where)
            self._say(peer, message, self.first or waits)
        return ()

    def tick(self, now_ms):
        return ()

    def next_deadline_ms(self):
        return None

    def take_datagrams(self):
        out, self._out = self._out, []
        return out

    def _waits(self):
        return response(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_MAX_AGE, self.max_age_s)

    def _say(self, peer, asked, answer):
        answer = answer.copy()
        answer.mtype, answer.mid, answer.token = L.TYPE_ACK, asked.mid, asked.token
        self._out.append((encode(answer), peer))
