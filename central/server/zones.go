package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/status"
)

// Zone seeds one zone of the rules.
type Zone struct {
	ID       uint8    `yaml:"id"` // 0..15, the bit in a pass
	Name     string   `yaml:"name"`
	NameZH   string   `yaml:"name_zh"`      // default Name
	Mode     string   `yaml:"mode"`         // normal (default), lockdown, free_passage
	Passback string   `yaml:"passback"`     // off (default), soft, hard
	Back     int      `yaml:"back_minutes"` // after its entry, from which a pass may enter again; 0: never
	Exit     string   `yaml:"exit"`         // off (default), soft, hard: for a pass that is not inside
	Apart    string   `yaml:"apart"`        // soft (default), home: what a lane does that is cut off from the others
	Hours    []Hours  `yaml:"hours"`        // none: always open
	Holidays []string `yaml:"holidays"`     // 2026-12-25: closed all day
}

// Hours is one opening period in campus time.
type Hours struct {
	Days  []string `yaml:"days"` // mon tue wed thu fri sat sun
	Open  string   `yaml:"open"` // 07:00
	Close string   `yaml:"close"`
}

var (
	modes     = map[string]link.Mode{"": link.Normal, "normal": link.Normal, "lockdown": link.Lockdown, "free_passage": link.FreePassage}
	passbacks = map[string]link.Passback{"": link.PassbackOff, "off": link.PassbackOff, "soft": link.PassbackSoft, "hard": link.PassbackHard}
	aparts    = map[string]link.Apart{"": link.ApartSoft, "soft": link.ApartSoft, "home": link.ApartHome}
	weekdays  = map[string]uint8{"sun": 1, "mon": 2, "tue": 4, "wed": 8, "thu": 16, "fri": 32, "sat": 64}
)

var errZone = errors.New("zone")

// zones returns the rules' zones that the configuration seeds.
func (c *Config) zones() ([]link.Zone, error) {
	r := link.Rules{}
	for _, z := range c.Zones {
		zone, err := z.zone()
		if err != nil {
			return nil, fmt.Errorf("%w %d: %w", errZone, z.ID, err)
		}
		r.Zones = append(r.Zones, zone)
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("ids must ascend, at most 15, hours must not be empty: %w", err)
	}
	return r.Zones, nil
}

func (z Zone) zone() (out link.Zone, err error) {
	mode, okMode := modes[z.Mode]
	passback, okPassback := passbacks[z.Passback]
	exit, okExit := passbacks[z.Exit]
	apart, okApart := aparts[z.Apart]
	switch {
	case z.Name == "":
		return out, fmt.Errorf("%w: a name is needed", errZone)
	case !okMode:
		return out, fmt.Errorf("%w: mode %q, want normal, lockdown or free_passage", errZone, z.Mode)
	case !okPassback:
		return out, fmt.Errorf("%w: passback %q, want off, soft or hard", errZone, z.Passback)
	case !okExit:
		return out, fmt.Errorf("%w: exit %q, want off, soft or hard", errZone, z.Exit)
	case !okApart:
		return out, fmt.Errorf("%w: apart %q, want soft or home", errZone, z.Apart)
	case z.Back < 0 || z.Back > 24*60:
		return out, fmt.Errorf("%w: back_minutes %d, want 0 to 1440", errZone, z.Back)
	}
	out = link.Zone{ID: z.ID, Name: z.Name, NameZH: z.NameZH, Mode: mode, Passback: passback, BackMinutes: uint16(z.Back), Exit: exit, Apart: apart}
	if out.NameZH == "" {
		out.NameZH = z.Name
	}
	for _, h := range z.Hours {
		hours, err := h.hours()
		if err != nil {
			return out, err
		}
		out.Hours = append(out.Hours, hours)
	}
	for _, d := range z.Holidays {
		day, err := pass.ParseDay(d)
		if err != nil {
			return out, err
		}
		out.Holidays = append(out.Holidays, day)
	}
	return out, nil
}

func (h Hours) hours() (out link.Hours, err error) {
	for _, d := range h.Days {
		bit, ok := weekdays[strings.ToLower(d)]
		if !ok {
			return out, fmt.Errorf("%w: day %q, want mon tue wed thu fri sat sun", errZone, d)
		}
		out.Weekdays |= bit
	}
	if out.Open, err = minute(h.Open); err != nil {
		return out, err
	}
	out.Close, err = minute(h.Close)
	return out, err
}

// minute reads 07:00 as minutes after midnight; 24:00 is the day's end.
func minute(s string) (uint16, error) {
	if s == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%w: time %q, want 07:00", errZone, s)
	}
	return uint16(t.Hour()*60 + t.Minute()), nil
}

// seed returns the rules of a first start.
func (c *Config) seed() (link.Rules, error) {
	r := status.DefaultRules()
	zones, err := c.zones()
	if err != nil {
		return r, err
	}
	if len(zones) > 0 {
		r.Zones = zones
	}
	return r, nil
}
