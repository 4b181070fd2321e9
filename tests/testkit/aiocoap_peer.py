"""aiocoap 0.4.17 as the other end: a site, in-memory OSCORE contexts, and clean shutdown; the independent peer."""

import contextlib
import secrets

import aiocoap
from aiocoap import oscore, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper


class MemoryContext(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):
    """OSCORE context in memory; aiocoap has only contexts on disk. fresh=False: the replay window is lost."""

    def __init__(self, ms, salt, sender_id, recipient_id, id_context=None, fresh=True):
        self.alg_aead = oscore.algorithms["AES-CCM-16-64-128"]
        self.hashfun = oscore.hashfunctions["sha256"]
        self.sender_id = sender_id
        self.recipient_id = recipient_id
        self.id_context = id_context
        self.derive_keys(salt, ms)
        self.sender_sequence_number = 0
        self.recipient_replay_window = oscore.ReplayWindow(32, lambda: None)
        self.echo_recovery = None
        self.authenticated_claims = []
        if fresh:
            self.recipient_replay_window.initialize_empty()
        else:
            self.echo_recovery = secrets.token_bytes(8)

    def post_seqnoincrease(self):
        """Do nothing: this context is not persisted."""


class Echoing(resource.ObservableResource):
    """Answers GET with `body`, sets it by PUT, and tells observers."""

    def __init__(self, body=b"small"):
        super().__init__()
        self.body = body

    async def render_get(self, request):
        return aiocoap.Message(payload=self.body)

    async def render_put(self, request):
        self.body = request.payload
        self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED, payload=str(len(self.body)).encode())


@contextlib.asynccontextmanager
async def server(resources, port, context=None):
    """Run an aiocoap server on the loopback with resources {name: Resource}, inside OSCORE when a context is given."""
    site = resource.Site()
    for name, item in resources.items():
        site.add_resource([name], item)
    if context is not None:
        credentials = CredentialsMap()
        credentials[":peer"] = context
        site = OscoreSiteWrapper(site, credentials)
    running = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    try:
        yield running
    finally:
        await running.shutdown()


@contextlib.asynccontextmanager
async def client(base=None, context=None):
    """Run an aiocoap client; requests under base use the OSCORE context."""
    running = await aiocoap.Context.create_client_context()
    if context is not None:
        running.client_credentials[base + "/*"] = context
    try:
        yield running
    finally:
        await running.shutdown()
