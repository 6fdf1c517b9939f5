"""PJSIP as a phone, or as a customer behind the carrier. See line.py for what it is told and tells."""

import argparse

import pjsua2 as pj

from line import Commands, tell

KINDS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
STATES = {
    pj.PJSIP_INV_STATE_EARLY: "ringing",
    pj.PJSIP_INV_STATE_CONFIRMED: "talking",
    pj.PJSIP_INV_STATE_DISCONNECTED: "ended",
}


class Call(pj.Call):
    def __init__(self, phone, number=pj.PJSUA_INVALID_ID):
        super().__init__(phone, number)
        self.phone = phone
        self.media = None

    def onCallState(self, prm):
        info = self.getInfo()
        if info.state in STATES:
            tell(STATES[info.state], call=info.id, code=info.lastStatusCode, remote=info.remoteUri)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.calls.pop(info.id, None)
            self.phone.gone.append(self)

    def onCallMediaState(self, prm):
        # Its media live as long as it does.
        info = self.getInfo()
        audio = next((m for m in info.media if m.type == pj.PJMEDIA_TYPE_AUDIO), None)
        status = audio and audio.status
        if status == self.media:
            return
        before, self.media = self.media, status
        if status == pj.PJSUA_CALL_MEDIA_LOCAL_HOLD:
            tell("held", call=self.getId())
        elif status == pj.PJSUA_CALL_MEDIA_REMOTE_HOLD:
            tell("parked", call=self.getId())
        elif status == pj.PJSUA_CALL_MEDIA_ACTIVE:
            # Nothing is played: a tone from the null device is media enough.
            self.getAudioMedia(-1).startTransmit(self.getAudioMedia(-1))
            if before == pj.PJSUA_CALL_MEDIA_LOCAL_HOLD:
                tell("resumed", call=self.getId())
            elif before == pj.PJSUA_CALL_MEDIA_REMOTE_HOLD:
                tell("unparked", call=self.getId())

    def onCallTransferStatus(self, prm):
        tell("notified", call=self.getId(), code=prm.statusCode, final=prm.finalNotify)


class Phone(pj.Account):
    def __init__(self):
        super().__init__()
        self.calls = {}
        # Kept until the library is through with their callbacks.
        self.gone = []

    def onRegState(self, prm):
        active = self.getInfo().regIsActive
        tell("registered" if prm.code == 200 and active else "refused", code=prm.code, expires=prm.expiration)

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        self.calls[prm.callId] = call
        ring = pj.CallOpParam()
        ring.statusCode = 180
        call.answer(ring)
        tell("incoming", call=prm.callId, remote=call.getInfo().remoteUri, message=prm.rdata.wholeMsg)

    def becomes(self, user):
        """The same socket, another customer."""
        self.config.idUri = f"sip:{user}@{self.at}"
        self.modify(self.config)

    def obey(self, command):
        what = command["do"]
        prm = pj.CallOpParam(True)
        if what == "call":
            if "from" in command:
                self.becomes(command["from"])
            call = Call(self)
            call.makeCall(command["to"], prm)
            self.calls[call.getId()] = call
            tell("calling", call=call.getId())
            return
        if what == "unregister":
            self.setRegistration(False)
            return
        call = self.calls[command["call"]]
        if what == "answer":
            prm.statusCode = command.get("code", 200)
            call.answer(prm)
        elif what == "hold":
            call.setHold(prm)
        elif what == "resume":
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(prm)
        elif what == "refer":
            call.xfer(command["to"], prm)
        elif what == "attend":
            call.xferReplaces(self.calls[command["with"]], prm)
        elif what == "hangup":
            prm.statusCode = 0
            call.hangup(prm)
        else:
            raise ValueError(what)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", required=True, help="its own ADDRESS:PORT")
    parser.add_argument("--server", required=True, help="ramal's ADDRESS:PORT")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", help="given: it registers")
    parser.add_argument("--transport", choices=KINDS, default="udp")
    parser.add_argument("--ca", help="whom it trusts, for TLS")
    parser.add_argument("--log", required=True)
    return parser.parse_args()


def endpoint(asked):
    library = pj.Endpoint()
    library.libCreate()
    config = pj.EpConfig()
    # One thread, ours: the callbacks come while it looks.
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.filename = asked.log
    config.logConfig.level = 5
    config.logConfig.consoleLevel = 0
    config.medConfig.noVad = True
    config.medConfig.sndClockRate = config.medConfig.clockRate = 8000
    library.libInit(config)
    address, port = asked.at.rsplit(":", 1)
    transport = pj.TransportConfig()
    transport.boundAddress = address
    transport.port = int(port)
    if asked.ca:
        transport.tlsConfig.CaListFile = asked.ca
        transport.tlsConfig.verifyServer = True
    number = library.transportCreate(KINDS[asked.transport], transport)
    library.audDevManager().setNullDev()
    for codec in library.codecEnum2():
        library.codecSetPriority(codec.codecId, 200 if codec.codecId.startswith("PCMA/") else 0)
    library.libStart()
    return library, number


def account(asked, transport):
    config = pj.AccountConfig()
    secure = {"udp": "", "tcp": ";transport=tcp", "tls": ";transport=tls"}[asked.transport]
    config.idUri = f"sip:{asked.user}@{asked.server}"
    address, port = asked.at.rsplit(":", 1)
    config.mediaConfig.transportConfig.boundAddress = address
    config.mediaConfig.transportConfig.port = int(port) + 5000
    config.sipConfig.proxies.append(f"sip:{asked.server}{secure};lr")
    if asked.password:
        config.regConfig.registrarUri = f"sip:{asked.server}{secure}"
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", asked.user, 0, asked.password))
    else:
        config.regConfig.registerOnAdd = False
    if asked.transport == "udp":
        config.sipConfig.transportId = transport
    return config


def main():
    asked = options()
    library, transport = endpoint(asked)
    phone = Phone()
    phone.at, phone.config = asked.at, account(asked, transport)
    phone.create(phone.config)
    commands = Commands()
    tell("ready")
    try:
        while True:
            library.libHandleEvents(10)
            for command in commands:
                phone.obey(command)
    except EOFError:
        library.libDestroy()


main()
