package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grid-x/modbus"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/serialport"
)

// How long each kind of device has to answer.
const (
	controllerTime = 1500 * time.Millisecond // it says HELLO again every 250 ms
	modbusTime     = 250 * time.Millisecond
	osdpTime       = 220 * time.Millisecond // a reader answers within 200 ms
	engineTime     = 40 * time.Second       // all families at all rates take 20 s
)

// osdpRates are those of the standard, the usual one first.
var osdpRates = []int{9600, 115200, 19200, 38400, 57600, 230400}

// probe asks who is at a port, the quick kinds first, and stops at the first
// that answers. It returns lines for people.
func probe(ctx context.Context, path string) []string {
	var busy []string
	for _, ask := range []func(context.Context, string) (string, error){probeController, probeOSDP, probeModbus, probeEngine} {
		who, err := ask(ctx, path)
		switch {
		case ctx.Err() != nil:
			return append(busy, "probing was interrupted")
		case err != nil: // the port cannot be used at all: the others would say the same
			return append(busy, err.Error())
		case who != "":
			return append(busy, strings.Split(who, "\n")...)
		}
	}
	return append(busy, "nothing answers: a scanner in plain line mode says nothing (try listen); else check power and cable, and that the port is not a modem or console")
}

// probeController says HELLO to a lane controller.
func probeController(ctx context.Context, path string) (string, error) {
	g, err := controller.New(serialport.Config{Path: path, Baud: 115200})
	if err != nil {
		return "", err
	}
	who := ""
	limit, stop := context.WithTimeout(ctx, controllerTime)
	defer stop()
	err = withGate(limit, g, func(ctx context.Context, g gate.Gate) error {
		for {
			select {
			case e, open := <-g.Events():
				if open && e.Kind == gate.Found {
					who = "lane controller: " + e.Detail
				}
				if !open || who != "" {
					return nil
				}
			case <-ctx.Done():
				return portTrouble(g.State().Err)
			}
		}
	})
	return who, err
}

// portTrouble returns err if it is of the port and not of who is behind it.
func portTrouble(err error) error {
	if errors.Is(err, serialport.ErrBusy) || errors.Is(err, serialport.ErrAccess) || errors.Is(err, serialport.ErrTTY) {
		return err
	}
	return nil
}

// probeOSDP asks the readers with the addresses 0 and 1 at the standard's rates.
func probeOSDP(ctx context.Context, path string) (string, error) {
	for _, rate := range osdpRates {
		p, err := serialport.Open(serialport.Config{Path: path, Baud: rate})
		if err != nil {
			return "", err
		}
		who := ""
		for address := uint8(0); address < 2 && who == "" && ctx.Err() == nil; address++ {
			who = askOSDP(p, address)
		}
		if err := p.Close(); err != nil {
			return "", err
		}
		if who != "" {
			return fmt.Sprintf("%s, %d baud", who, rate), nil
		}
	}
	return "", nil
}

// askOSDP asks one reader for its name; "" if it does not answer.
func askOSDP(p *serialport.Port, address uint8) string {
	wire, err := osdp.Append(nil, osdp.Packet{Address: address, Code: osdp.CmdID, Data: []byte{0}})
	if err != nil {
		return ""
	}
	if _, err := p.Write(wire); err != nil {
		return ""
	}
	var d osdp.Decoder
	d.Only(address, true)
	who := ""
	buf := make([]byte, 256)
	for end := time.Now().Add(osdpTime); who == "" && time.Now().Before(end); {
		n, err := p.Read(buf, time.Until(end))
		if err != nil {
			return ""
		}
		d.Feed(buf[:n], func(reply osdp.Packet, err error) {
			if err == nil {
				who = osdpName(reply)
			}
		})
	}
	return who
}

// osdpName says who replied.
func osdpName(reply osdp.Packet) string {
	name := fmt.Sprintf("OSDP reader, address %d", reply.Address)
	m, err := osdp.ReadReply(reply.Code, reply.Data)
	if id, ok := m.(osdp.Identity); ok && err == nil {
		return fmt.Sprintf("%s: vendor %X, model %d version %d, serial number %d, firmware %d.%d.%d", name,
			id.Vendor, id.Model, id.Version, id.Serial, id.Firmware[0], id.Firmware[1], id.Firmware[2])
	}
	return name + ": answers " + osdp.ReplyName(reply.Code) + " to the question who it is (it may want the secure channel first)"
}

// modbusRates are those that boards come with, and the fastest.
var modbusRates = []int{9600, 19200, 38400, 115200}

// probeModbus reads the first relay of the boards with the units 1 and 2. It
// switches nothing.
func probeModbus(ctx context.Context, path string) (string, error) {
	for _, rate := range modbusRates {
		p, err := serialport.Open(serialport.Config{Path: path, Baud: rate})
		if err != nil {
			return "", err
		}
		who := ""
		for unit := byte(1); unit <= 2 && who == "" && ctx.Err() == nil; unit++ {
			if askModbus(p, unit) {
				who = fmt.Sprintf("Modbus RTU board, unit %d, %d baud", unit, rate)
			}
		}
		if err := p.Close(); err != nil || who != "" {
			return who, err
		}
	}
	return "", nil
}

// askModbus reports whether a board answers, be it with a no.
func askModbus(p *serialport.Port, unit byte) bool {
	rtu := modbus.NewRTUClientHandler("") // for frames and checksums; it opens nothing
	rtu.SetSlave(unit)
	request, err := rtu.Encode(&modbus.ProtocolDataUnit{FunctionCode: modbus.FuncCodeReadCoils, Data: []byte{0, 0, 0, 1}})
	if err != nil {
		return false
	}
	if _, err := p.Write(request); err != nil {
		return false
	}
	var got []byte
	buf := make([]byte, 64)
	for end := time.Now().Add(modbusTime); time.Now().Before(end) && len(got) < 64; {
		n, err := p.Read(buf, time.Until(end))
		if err != nil {
			return false
		}
		got = append(got, buf[:n]...)
		if len(got) >= 5 && got[0] == unit && got[1]&0x7F == modbus.FuncCodeReadCoils {
			if _, err := rtu.Decode(got); err == nil {
				return true
			}
		}
	}
	return false
}

// probeEngine asks the families of scan engines.
func probeEngine(ctx context.Context, path string) (string, error) {
	id, err := identify(ctx, path)
	if err != nil {
		return "", portTrouble(err)
	}
	who := fmt.Sprintf("scan engine: %s, %d baud", engineName(id), id.Baud)
	next := fmt.Sprintf("nothing was set; next: firmware-bridge listen --driver %s --port %s, which sets it up until it loses power", id.Family, path)
	return strings.Join(slices.Concat([]string{who}, id.Warnings, []string{next}), "\n"), nil
}

// engineName is what is known of an engine in one line.
func engineName(id dialect.Identity) string {
	return printable(strings.Join(strings.Fields(strings.Join([]string{id.Family, id.Model, id.Firmware}, " ")), " "))
}
