package osdp

import "fmt"

// Codes of commands.
const (
	CmdPoll         uint8 = 0x60
	CmdID           uint8 = 0x61
	CmdCap          uint8 = 0x62
	CmdLocalStatus  uint8 = 0x64
	CmdInputStatus  uint8 = 0x65
	CmdOutputStatus uint8 = 0x66
	CmdReaderStatus uint8 = 0x67
	CmdOutput       uint8 = 0x68
	CmdLED          uint8 = 0x69
	CmdBuzzer       uint8 = 0x6A
	CmdText         uint8 = 0x6B
	CmdComSet       uint8 = 0x6E
	CmdKeySet       uint8 = 0x75
	CmdChallenge    uint8 = 0x76
	CmdServerCrypt  uint8 = 0x77
	CmdReceiveSize  uint8 = 0x7B
	CmdFileTransfer uint8 = 0x7C
	CmdManufacturer uint8 = 0x80
	CmdAbort        uint8 = 0xA2
	CmdKeepActive   uint8 = 0xA7
)

// Codes of replies.
const (
	ReplyACK          uint8 = 0x40
	ReplyNAK          uint8 = 0x41
	ReplyID           uint8 = 0x45
	ReplyCap          uint8 = 0x46
	ReplyLocalStatus  uint8 = 0x48
	ReplyInputStatus  uint8 = 0x49
	ReplyOutputStatus uint8 = 0x4A
	ReplyReaderStatus uint8 = 0x4B
	ReplyRaw          uint8 = 0x50
	ReplyKeypad       uint8 = 0x53
	ReplyCom          uint8 = 0x54
	ReplyClientCrypt  uint8 = 0x76
	ReplyInitialMAC   uint8 = 0x78
	ReplyBusy         uint8 = 0x79
	ReplyFileStatus   uint8 = 0x7A
	ReplyManufacturer uint8 = 0x90
)

var commandNames = map[uint8]string{
	CmdPoll: "POLL", CmdID: "ID", CmdCap: "CAP", CmdLocalStatus: "LSTAT", CmdInputStatus: "ISTAT",
	CmdOutputStatus: "OSTAT", CmdReaderStatus: "RSTAT", CmdOutput: "OUT", CmdLED: "LED", CmdBuzzer: "BUZ",
	CmdText: "TEXT", CmdComSet: "COMSET", CmdKeySet: "KEYSET", CmdChallenge: "CHLNG", CmdServerCrypt: "SCRYPT",
	CmdReceiveSize: "ACURXSIZE", CmdFileTransfer: "FILETRANSFER", CmdManufacturer: "MFG", CmdAbort: "ABORT",
	CmdKeepActive: "KEEPACTIVE",
}

var replyNames = map[uint8]string{
	ReplyACK: "ACK", ReplyNAK: "NAK", ReplyID: "PDID", ReplyCap: "PDCAP", ReplyLocalStatus: "LSTATR",
	ReplyInputStatus: "ISTATR", ReplyOutputStatus: "OSTATR", ReplyReaderStatus: "RSTATR", ReplyRaw: "RAW",
	ReplyKeypad: "KEYPAD", ReplyCom: "COM", ReplyClientCrypt: "CCRYPT", ReplyInitialMAC: "RMAC_I",
	ReplyBusy: "BUSY", ReplyFileStatus: "FTSTAT", ReplyManufacturer: "MFGREP",
}

// CommandName is the standard's name of a command's code, such as "POLL".
func CommandName(code uint8) string { return name(commandNames, code) }

// ReplyName is the standard's name of a reply's code, such as "ACK".
func ReplyName(code uint8) string { return name(replyNames, code) }

func name(names map[uint8]string, code uint8) string {
	if n, ok := names[code]; ok {
		return n
	}
	return fmt.Sprintf("%#02x", code)
}

// Reason is why a peripheral refuses a command, in Nak.
type Reason uint8

// The reasons that the standard knows and this package meets.
const (
	NakCheck    Reason = 1 // CRC or checksum
	NakLength   Reason = 2
	NakUnknown  Reason = 3 // command not known
	NakSequence Reason = 4
	NakBlock    Reason = 5 // no secure channel of that kind
	NakSecurity Reason = 6 // not without the secure channel
	NakRecord   Reason = 9 // data not acceptable
)

func (r Reason) String() string {
	names := [...]string{1: "wrong check", 2: "wrong length", 3: "unknown command", 4: "wrong sequence number",
		5: "secure channel not supported", 6: "secure channel required", 9: "data not acceptable"}
	if int(r) < len(names) && names[r] != "" {
		return names[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}
