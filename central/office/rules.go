package office

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// RulesBody is what the campus decided, in the API's words.
type RulesBody struct {
	Version       uint64       `json:"version" doc:"The version that this was made from; another one in force meanwhile is a conflict."`
	Zones         []ZoneBody   `json:"zones" minItems:"1" maxItems:"16"`
	Policies      []PolicyBody `json:"policies" minItems:"1" maxItems:"4" doc:"What each kind of pass may do when a lane has not heard from central for a while."`
	TestPasses    bool         `json:"test_passes,omitempty" doc:"Admit test passes. Never in production."`
	ShortZones    []int        `json:"short_zones,omitempty" maxItems:"16" uniqueItems:"true" minimum:"0" maximum:"15" doc:"Zones that admit short codes of 64 bits, for readers that carry no more. They are weak: whoever steals a lane can make them. Normally none."`
	EscortSeconds int          `json:"escort_seconds" minimum:"1" maximum:"600" doc:"How long a staff pass vouches for the next person."`
	RepeatMS      int          `json:"repeat_ms" minimum:"0" maximum:"60000" doc:"The same text again at the same lane within this time is the same passage."`
	Issued        *time.Time   `json:"issued,omitempty" readOnly:"true"`
}

// ZoneBody is a set of lanes with the same rules.
type ZoneBody struct {
	ID       int         `json:"id" minimum:"0" maximum:"15"`
	Name     string      `json:"name" minLength:"1" maxLength:"60"`
	NameZH   string      `json:"name_zh,omitempty" maxLength:"60"`
	Mode     string      `json:"mode" enum:"normal,lockdown,free_passage"`
	Passback string      `json:"passback" enum:"off,soft,hard" doc:"soft: admit who is inside already, and flag it; hard: refuse."`
	Hours    []HoursBody `json:"hours,omitempty" maxItems:"32" doc:"None: always open."`
	Holidays []string    `json:"holidays,omitempty" maxItems:"366" format:"date" doc:"Closed all day."`

	BackMinutes int    `json:"back_minutes,omitempty" minimum:"0" maximum:"1440" doc:"So many minutes after it came in a pass may enter again though it did not leave; 0: never."`
	Exit        string `json:"exit,omitempty" enum:"off,soft,hard" doc:"The same as passback for a pass that is not inside and wants out; off unless told. A zone where people stay past midnight takes soft: the next day's pass did not come in."`
	Apart       string `json:"apart,omitempty" enum:"soft,home" doc:"What a lane does with passes that can be used up, or with all in a hard zone, while it reaches neither central nor the zone's other lanes. soft, unless told: admit and flag; home: only the pass's home lane admits."`
}

// HoursBody is one opening period.
type HoursBody struct {
	Days  []string `json:"days" minItems:"1" maxItems:"7" enum:"sun,mon,tue,wed,thu,fri,sat"`
	Open  string   `json:"open" example:"07:00"`
	Close string   `json:"close" example:"24:00"`
}

// PolicyBody is one kind's row: what to do at which age of the feed.
type PolicyBody struct {
	Kind           string   `json:"kind" enum:"ecard,guest,staff,test"`
	Ages           []string `json:"ages" minItems:"4" maxItems:"4" enum:"refuse,by_rules,stamped,live_only,live_or_single,alarmed" doc:"Feed younger than 2 min, 30 min, 24 h, and older."`
	UntrustedClock bool     `json:"untrusted_clock" doc:"With a clock that cannot be trusted: admit if the day agrees with central's last word."`
}

// The words of the rules, by number.
var (
	modeNames     = []string{"normal", "lockdown", "free_passage"}
	passbackNames = []string{"off", "soft", "hard"}
	apartNames    = []string{"soft", "home"}
	actionNames   = []string{"refuse", "by_rules", "stamped", "live_only", "live_or_single", "alarmed"}
	dayNames      = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// wordOf returns the word of a number, and the number itself in words if it has none.
func wordOf[N ~uint8](words []string, n N) string {
	if int(n) < len(words) {
		return words[n]
	}
	return fmt.Sprintf("number_%d", n)
}

// numberOf is the inverse for a word that the schema let through; none is 0.
func numberOf[N ~uint8](words []string, word string) N { return N(max(slices.Index(words, word), 0)) }

func (a *api) rulesRoutes(h huma.API) {
	huma.Register(h, operation(rights.RulesRead, "get-rules", http.MethodGet, "/rules", "Show the rules in force"), a.getRules)
	huma.Register(h, operation(rights.RulesWrite, "put-rules", http.MethodPut, "/rules", "Put rules into force", http.StatusConflict), a.putRules)
	huma.Register(h, operation(rights.LanesRead, "get-feed", http.MethodGet, "/feed", "Show where the feed to the lanes stands"), a.getFeed)
}

type rulesAnswer struct{ Body RulesBody }

func (a *api) getRules(ctx context.Context, _ *struct{}) (*rulesAnswer, error) {
	r, err := a.Rules.Rules(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &rulesAnswer{a.rulesBody(r)}, nil
}

func (a *api) putRules(ctx context.Context, in *struct{ Body RulesBody }) (*rulesAnswer, error) {
	r, err := in.Body.rules()
	if err != nil {
		return nil, err
	}
	r, err = a.Rules.SetRules(ctx, caller(ctx), r)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &rulesAnswer{a.rulesBody(r)}, nil
}

func (a *api) rulesBody(r link.Rules) RulesBody {
	out := RulesBody{
		Version: r.Version, Zones: []ZoneBody{}, Policies: []PolicyBody{}, TestPasses: r.TestPass,
		ShortZones: shortZones(r.Short), EscortSeconds: int(r.EscortSec), RepeatMS: int(r.RepeatMS), Issued: a.maybe(time.UnixMilli(r.Issued)),
	}
	for _, z := range r.Zones {
		out.Zones = append(out.Zones, zoneBody(z))
	}
	for _, p := range r.Policies {
		row := PolicyBody{Kind: p.Kind.String(), UntrustedClock: p.Untrusted}
		for _, action := range p.Ages {
			row.Ages = append(row.Ages, wordOf(actionNames, action))
		}
		out.Policies = append(out.Policies, row)
	}
	return out
}

// shortZones is nil for none, so that rules without short codes do not speak of them.
func shortZones(mask uint16) []int {
	if mask == 0 {
		return nil
	}
	return zoneList(mask)
}

func zoneBody(z link.Zone) ZoneBody {
	out := ZoneBody{
		ID: int(z.ID), Name: z.Name, NameZH: z.NameZH, Mode: wordOf(modeNames, z.Mode), Passback: wordOf(passbackNames, z.Passback),
		BackMinutes: int(z.BackMinutes), Exit: wordOf(passbackNames, z.Exit), Apart: wordOf(apartNames, z.Apart),
	}
	for _, h := range z.Hours {
		body := HoursBody{Open: clockText(h.Open), Close: clockText(h.Close)}
		for i, name := range dayNames {
			if h.Weekdays&(1<<i) != 0 {
				body.Days = append(body.Days, name)
			}
		}
		out.Hours = append(out.Hours, body)
	}
	for _, d := range z.Holidays {
		out.Holidays = append(out.Holidays, d.String())
	}
	return out
}

func clockText(minute uint16) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// rules checks what the schema cannot say.
func (b RulesBody) rules() (link.Rules, error) {
	r := link.Rules{Version: b.Version, TestPass: b.TestPasses, Short: zoneMask(b.ShortZones), EscortSec: uint16(b.EscortSeconds), RepeatMS: uint16(b.RepeatMS)}
	for i, z := range b.Zones {
		zone, err := z.zone(fmt.Sprintf("body.zones[%d]", i))
		if err != nil {
			return r, err
		}
		r.Zones = append(r.Zones, zone)
	}
	slices.SortFunc(r.Zones, func(x, y link.Zone) int { return int(x.ID) - int(y.ID) })
	for _, p := range b.Policies {
		kind, _ := pass.ParseKind(p.Kind) // the schema let only known words through
		row := link.KindPolicy{Kind: kind, Untrusted: p.UntrustedClock}
		for i := range row.Ages {
			row.Ages[i] = link.Action(slices.Index(actionNames, p.Ages[i]))
		}
		if slices.ContainsFunc(r.Policies, func(have link.KindPolicy) bool { return have.Kind == kind }) {
			return r, wrong("body.policies", "two rows for one kind", p.Kind)
		}
		r.Policies = append(r.Policies, row)
	}
	if err := r.Check(); err != nil {
		return r, wrong("body", err.Error(), nil)
	}
	return r, nil
}

func (b ZoneBody) zone(at string) (link.Zone, error) {
	z := link.Zone{
		ID: uint8(b.ID), Name: b.Name, NameZH: b.NameZH, Mode: numberOf[link.Mode](modeNames, b.Mode),
		Passback: numberOf[link.Passback](passbackNames, b.Passback), BackMinutes: uint16(b.BackMinutes),
		Exit: numberOf[link.Passback](passbackNames, b.Exit), Apart: numberOf[link.Apart](apartNames, b.Apart),
	}
	for i, h := range b.Hours {
		hours, err := h.hours()
		if err != nil {
			return z, wrong(fmt.Sprintf("%s.hours[%d]", at, i), err.Error(), h)
		}
		z.Hours = append(z.Hours, hours)
	}
	for i, s := range b.Holidays {
		d, err := pass.ParseDay(s)
		if err != nil {
			return z, wrong(fmt.Sprintf("%s.holidays[%d]", at, i), err.Error(), s)
		}
		z.Holidays = append(z.Holidays, d)
	}
	return z, nil
}

func (b HoursBody) hours() (h link.Hours, err error) {
	open, err := parseMinute(b.Open)
	if err != nil {
		return h, fmt.Errorf("open: %w", err)
	}
	end, err := parseMinute(b.Close)
	if err != nil {
		return h, fmt.Errorf("close: %w", err)
	}
	if open >= end {
		return h, fmt.Errorf("opens at %s and closes at %s: split a period that goes past midnight in two", b.Open, b.Close)
	}
	for _, d := range b.Days {
		h.Weekdays |= 1 << slices.Index(dayNames, d)
	}
	h.Open, h.Close = uint16(open), uint16(end)
	return h, nil
}

// FeedBody is where the feed to the lanes stands.
type FeedBody struct {
	Site     string        `json:"site"`
	Timezone string        `json:"timezone" example:"Asia/Hong_Kong"`
	Epoch    uint32        `json:"epoch"`
	Seq      uint64        `json:"seq" doc:"Number of the newest event."`
	Chain    string        `json:"chain"`
	Root     string        `json:"root"`
	Refused  uint32        `json:"refused" doc:"Passes revoked or held on the open days."`
	Keyset   uint64        `json:"keyset"`
	Rules    uint64        `json:"rules"`
	Issued   time.Time     `json:"issued" doc:"Of the newest head."`
	Days     []DayBody     `json:"days"`
	Keys     []PassKeyBody `json:"keys" doc:"The public keys that sign passes."`
}

// DayBody is one open day.
type DayBody struct {
	Day      string `json:"day" format:"date"`
	Capacity uint32 `json:"capacity"`
	Issued   uint32 `json:"issued"`
	Refused  uint32 `json:"refused"`
}

// PassKeyBody is a public key that signs passes.
type PassKeyBody struct {
	ID     int      `json:"id"`
	Public string   `json:"public" doc:"Ed25519, base64."`
	Kinds  []string `json:"kinds"`
	From   string   `json:"from" format:"date"`
	To     string   `json:"to" format:"date"`
}

func (a *api) getFeed(ctx context.Context, _ *struct{}) (*struct{ Body FeedBody }, error) {
	s, err := a.Feed.State(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := FeedBody{
		Site: s.Site, Timezone: s.Timezone, Epoch: s.Head.Epoch, Seq: s.Head.Seq, Chain: fmt.Sprintf("%x", s.Head.Chain[:]),
		Root: fmt.Sprintf("%x", s.Head.Root[:]), Refused: s.Head.Revoked, Keyset: s.Head.Keyset, Rules: s.Head.Rules,
		Issued: a.at(time.UnixMilli(s.Head.Issued)), Days: []DayBody{}, Keys: []PassKeyBody{},
	}
	for _, d := range s.Days {
		out.Days = append(out.Days, DayBody{d.Day.String(), d.Capacity, d.Issued, d.Refused})
	}
	for _, k := range s.Keys {
		out.Keys = append(out.Keys, keyBody(k))
	}
	return &struct{ Body FeedBody }{out}, nil
}

func keyBody(k link.PassKey) PassKeyBody {
	out := PassKeyBody{int(k.ID), base64.StdEncoding.EncodeToString(k.Public), []string{}, k.From.String(), k.To.String()}
	for _, kind := range []pass.Kind{pass.ECard, pass.Guest, pass.Staff, pass.Test} {
		if k.Kinds&(1<<kind) != 0 {
			out.Kinds = append(out.Kinds, kind.String())
		}
	}
	return out
}
