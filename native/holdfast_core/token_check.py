"""The one door to checking a token by value: the C core where it is built, verifier.py otherwise.

Both give the same verdict on the same bytes, for the same reason; only one of them is loaded.
"""

__all__ = ("PATH", "verify_token")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.verifier import verify_token
try:
    from holdfast_core.verifier_hf import PATH, verify_token
except ImportError:
    from holdfast_core.verifier import verify_token

    PATH = "python"
