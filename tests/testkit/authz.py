"""An authorization server in a temporary directory with the story's parties, for every test that needs one.

The story (DESIGN section 1): the doctor's app, an EKG that is a connected RS and a client, and a test tube that is never connected.
"""

from dataclasses import dataclass
from pathlib import Path

from holdfast_core import labels as L
from holdfast_core.secret import Secret
from holdfast_server.authorization_server import AuthorizationServer
from holdfast_server.caller import Caller
from holdfast_server.registry import Registry
from holdfast_server.settings import Settings

NOW_S = 1_800_000_000
ISSUER = "https://as.example"
EKG = "ekg_device_ABC"
TUBE = "connected_tube_123"
DOCTOR_APP = "doctor_app"
DOCTOR = "doctor"
REDIRECT_URI = "http://127.0.0.1:8765/callback"


@dataclass
class StoryAs:
    """Everything a test touches.  doctor_secret: the app's client secret; callers as a shell would make them."""

    server: AuthorizationServer
    registry: Registry
    settings: Settings
    doctor_secret: Secret
    doctor_app: Caller
    ekg: Caller
    tube: Caller


def build_story_as(path: Path, now_s: int = NOW_S, password_hash: str = "", rng=None) -> StoryAs:
    """Build it under path (an empty directory).  password_hash: the doctor's; rng: deterministic by default."""
    raise NotImplementedError
