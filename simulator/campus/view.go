// Package campus is a whole campus that can be acted on and looked at: central,
// lane controllers, wires and people, with the product's own programs on virtual
// steel.
//
// Whatever is done is an Act, and whatever is seen stands in a View: the page, a
// scenario and a drill differ only in who acts and who looks. After each act the
// promises (package promise) are checked.
package campus

import (
	"time"

	"turnstile/agent/health"
)

// View is a campus at one moment.
type View struct {
	Now      time.Time  `json:"now"`    // by the campus's clock
	Played   bool       `json:"played"` // that clock is a played one: advance moves it
	Central  Central    `json:"central"`
	Lanes    []Lane     `json:"lanes"`
	Passes   []Pass     `json:"passes"`   // oldest first
	Passages []Passage  `json:"passages"` // newest first
	Alarms   []Alarm    `json:"alarms"`   // newest first
	Standing []Standing `json:"standing"` // faults that are on, oldest first
	Mail     *Mail      `json:"mail"`     // the newest that came, to whomever; null: none yet
}

// Mail is one that central mailed.
type Mail struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Subject string `json:"subject"`
	Code    string `json:"code"` // of eight digits, to be typed; "" if there is none in it
	Link    string `json:"link"` // of the guest, or of another page of the portal; "" if there is none in it
	Page    string `json:"page"` // address at which it is shown whole
}

// Central is what is known of central from outside.
type Central struct {
	Up      bool   `json:"up"`
	Console string `json:"console"` // address of the office's pages, "" before the first start
}

// Lane is one lane as an onlooker sees it, and what its controller says of itself.
type Lane struct {
	ID         string         `json:"id"` // as acts name it, such as north
	Name       string         `json:"name"`
	Controller string         `json:"controller"`
	Number     int            `json:"number"` // at its controller
	Zone       int            `json:"zone"`
	Signal     string         `json:"signal"` // gate.Signal's name: idle, wait, granted, denied, again, guard, closed, out of order
	LED        string         `json:"led"`    // such as "green, steady"
	Buzzer     string         `json:"buzzer"`
	Open       bool           `json:"open"`    // somebody can walk
	Walking    string         `json:"walking"` // in, out; "": nobody is on the way
	Reading    bool           `json:"reading"` // the scanner has a code in front of it
	Display    string         `json:"display"` // address of the lane's own display, "" while its controller does not answer
	Answers    bool           `json:"answers"` // the controller's program does
	State      string         `json:"state"`   // agent/daemon's word
	Last       *Decision      `json:"last"`
	Decisions  int            `json:"decisions"` // so far, since the controller's start
	FeedSeq    uint64         `json:"feed_seq"`
	FeedAge    int64          `json:"feed_age"` // seconds; -1: never heard of central
	Clock      string         `json:"clock"`    // trusted, holdover, untrusted
	Backlog    uint64         `json:"backlog"`  // entries that central does not have
	Warnings   []health.Entry `json:"warnings"` // of the controller, those of other lanes left out
}

// Decision is what a lane decided last.
type Decision struct {
	At     time.Time `json:"at"`
	Pass   string    `json:"pass"` // the name that acts use; else the pass's id; "" if the signature is not good
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"` // pass.Reason's name
	Result string    `json:"result"` // passed, not passed, unknown; "" while nobody knows
}

// Pass is one pass or supervisor code that was issued here.
type Pass struct {
	Name   string `json:"name"` // as acts name it
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Live   bool   `json:"live"`
	Shot   bool   `json:"shot"`   // there is a screenshot of it
	Forged string `json:"forged"` // what was made of it, as in the act forge; "": nothing
	Status string `json:"status"` // good, revoked, held
	Lanes  int    `json:"lanes"`  // controllers that refuse it by now, of Of
	Of     int    `json:"of"`
	Symbol string `json:"symbol"` // changes when the symbol does
}

// Passage is one row of central's ledger.
type Passage struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Lane   string    `json:"lane"` // Lane.ID
	Type   string    `json:"type"` // office's word: granted, passed, denied ...
	Way    string    `json:"way"`  // in, out; "": neither
	Pass   string    `json:"pass"` // as in Decision
	Reason string    `json:"reason"`
}

// Alarm is one alarm of central.
type Alarm struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Lane   string    `json:"lane"` // the controller, "": central's own
	Detail string    `json:"detail"`
	Next   string    `json:"next"` // what to do
}

// Standing is a fault that is on.
type Standing struct {
	Act   string    `json:"act"`  // that put it on
	Undo  string    `json:"undo"` // act that takes it off
	Guard string    `json:"guard"`
	Since time.Time `json:"since"`
}
