package osdp

import "slices"

// ReadCommand gives the meaning of a command. The message holds no reference to
// data. A code that this package does not type is an Other; data that does not
// fit its code is ErrBody.
func ReadCommand(code uint8, data []byte) (Message, error) {
	if m := readCommand(code, data); m != nil {
		return m, nil
	}
	return nil, misfit(CommandName(code), len(data))
}

// ReadReply is ReadCommand for replies.
func ReadReply(code uint8, data []byte) (Message, error) {
	if m := readReply(code, data); m != nil {
		return m, nil
	}
	return nil, misfit(ReplyName(code), len(data))
}

// readCommand is nil for data that does not fit.
func readCommand(code uint8, b []byte) Message {
	n := len(b)
	switch {
	case code == CmdOutput:
		return readOutputs(b)
	case code == CmdLED:
		return readLEDs(b)
	case code == CmdText:
		return readText(b)
	case code == CmdKeySet:
		return readKeySet(b)
	case code == CmdID && n == 1:
		return IDRequest{b[0]}
	case code == CmdCap && n == 1:
		return CapRequest{b[0]}
	case code == CmdBuzzer && n == 5:
		return Buzzer{b[0], b[1], b[2], b[3], b[4]}
	case code == CmdComSet && n == 5:
		return ComSet{b[0], le.Uint32(b[1:])}
	case code == CmdChallenge && n == len(Challenge{}):
		return Challenge(b)
	case code == CmdServerCrypt && n == len(ServerCryptogram{}):
		return ServerCryptogram(b)
	case code == CmdReceiveSize && n == 2:
		return ReceiveSize(le.Uint16(b))
	case code == CmdKeepActive && n == 2:
		return KeepActive(le.Uint16(b))
	case code == CmdFileTransfer || code == CmdManufacturer || commandNames[code] == "":
		return Other{code, slices.Clone(b)}
	case n == 0 && plainCommand(code):
		return Plain(code)
	}
	return nil
}

// plainCommand tells the commands that never have data.
func plainCommand(code uint8) bool {
	switch code {
	case CmdPoll, CmdLocalStatus, CmdInputStatus, CmdOutputStatus, CmdReaderStatus, CmdAbort:
		return true
	}
	return false
}

func readOutputs(b []byte) Message {
	if len(b) == 0 || len(b)%4 != 0 {
		return nil
	}
	var m Outputs
	for ; len(b) > 0; b = b[4:] {
		m = append(m, Output{b[0], b[1], le.Uint16(b[2:])})
	}
	return m
}

func readLEDs(b []byte) Message {
	const record = 14
	if len(b) == 0 || len(b)%record != 0 {
		return nil
	}
	var m LEDs
	for ; len(b) > 0; b = b[record:] {
		m = append(m, LED{b[0], b[1], readLight(b[2:]), le.Uint16(b[7:]), readLight(b[9:])})
	}
	return m
}

func readLight(b []byte) Light { return Light{b[0], b[1], b[2], b[3], b[4]} }

func readText(b []byte) Message {
	if len(b) < 6 || len(b) != 6+int(b[5]) {
		return nil
	}
	return Text{b[0], b[1], b[2], b[3], b[4], slices.Clone(b[6:])}
}

func readKeySet(b []byte) Message {
	if len(b) != 2+KeySize || b[0] != keyKind || b[1] != KeySize {
		return nil
	}
	return KeySet{Key(b[2:])}
}

// readReply is nil for data that does not fit.
func readReply(code uint8, b []byte) Message {
	n := len(b)
	switch {
	case code == ReplyRaw:
		return readRaw(b)
	case code == ReplyKeypad:
		return readKeypad(b)
	case code == ReplyCap:
		return readCapabilities(b)
	case code == ReplyNAK && n >= 1:
		return Nak{Reason(b[0]), slices.Clone(b[1:])}
	case code == ReplyID && n == 12:
		return Identity{[3]byte(b), b[3], b[4], le.Uint32(b[5:]), [3]uint8(b[9:])}
	case code == ReplyLocalStatus && n == 2:
		return LocalStatus{b[0], b[1]}
	case code == ReplyCom && n == 5:
		return Com{b[0], le.Uint32(b[1:])}
	case code == ReplyClientCrypt && n == 32:
		return ClientCryptogram{CUID(b), Random(b[8:]), Cryptogram(b[16:])}
	case code == ReplyInitialMAC && n == len(InitialMAC{}):
		return InitialMAC(b)
	case n == 0 && (code == ReplyACK || code == ReplyBusy):
		return Plain(code)
	case otherReply(code):
		return Other{code, slices.Clone(b)}
	}
	return nil
}

// otherReply tells the replies that are not typed.
func otherReply(code uint8) bool {
	switch code {
	case ReplyInputStatus, ReplyOutputStatus, ReplyReaderStatus, ReplyFileStatus, ReplyManufacturer:
		return true
	}
	return replyNames[code] == ""
}

func readRaw(b []byte) Message {
	if len(b) < 4 {
		return nil
	}
	bits := le.Uint16(b[2:])
	if len(b) != 4+(int(bits)+7)/8 {
		return nil
	}
	return Raw{b[0], b[1], bits, slices.Clone(b[4:])}
}

func readKeypad(b []byte) Message {
	if len(b) < 2 || len(b) != 2+int(b[1]) {
		return nil
	}
	return Keypad{b[0], slices.Clone(b[2:])}
}

func readCapabilities(b []byte) Message {
	if len(b)%3 != 0 {
		return nil
	}
	m := Capabilities{}
	for ; len(b) > 0; b = b[3:] {
		m = append(m, Capability{b[0], b[1], b[2]})
	}
	return m
}
