"""SIGHUP: take a renewed certificate and what else can be taken without a restart; connections and logins stay.

What cannot be used, as a file that is half written, leaves everything as it was, and one line says so.
"""

from dataclasses import replace

from holdfast_server.process.config import Config, ConfigError, check_tls, load
from holdfast_server.process.log import log
from holdfast_server.web.server import WebServer


class Reload:
    """config: the configuration in force."""

    def __init__(self, config: Config, web: WebServer) -> None:
        self.config = config
        self._web = web

    def again(self) -> None:
        """Read the file again, and say what of it waits for a restart."""
        try:
            read = load(self.config.state)
            check_tls(read)
        except ConfigError as error:
            log.error('event=reload-refused reason="%s"', error)
            return
        waits = waits_for_restart(self.config, read)
        if read.certificate is not None and read.key is not None and self.config.certificate is not None:
            self._web.renew_tls(read.certificate, read.key)
        self.config = replace(self.config, audit_days=read.audit_days)
        log.info("event=reloaded waits_for_restart=%s", ",".join(waits) or "-")


def waits_for_restart(now: Config, read: Config) -> list[str]:
    """The keys of the file that say something else than what is in force, and are read at a start only."""
    return [
        key
        for key, in_force, wanted in (
            ("issuer", now.settings.issuer, read.settings.issuer),
            ("name", now.name, read.name),
            ("code_lifetime_s", now.settings.code_lifetime_s, read.settings.code_lifetime_s),
            ("http.bind", now.http, read.http),
            ("http.certificate", now.certificate is None, read.certificate is None),
            ("http.proxies", now.proxies, read.proxies),
            ("quota", now.quota, read.quota),
            ("coap.bind", now.coap, read.coap),
            ("coap.advertise", now.settings.as_uri, read.settings.as_uri),
        )
        if in_force != wanted
    ]
