"""What the hub refuses early, made of the configuration."""

from holdfast_hub.admission.desk import Limits
from holdfast_hub.process.config import Config


def limits_in(config: Config) -> Limits:
    """Return what an operator has set."""
    number = config.number
    return Limits(
        number("admission.per_s"),
        number("admission.at_once"),
        number("admission.all_per_s"),
        number("admission.all_at_once"),
        number("admission.client_quota"),
        number("admission.device_quota"),
        number("admission.quota_s"),
        tuple(config.texts("admission.issuers")),
        config.flag("admission.check_audience"),
    )
