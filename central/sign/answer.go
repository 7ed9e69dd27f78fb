package sign

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/fxamacker/cbor/v2"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// codes are the errors that a client can tell apart.
var codes = map[string]error{
	"refused": issuer.ErrRefused, "no_key": issuer.ErrNoKey, "unknown_key": issuer.ErrUnknownKey,
	"request": issuer.ErrRequest, "span": issuer.ErrSpan, "changed": link.ErrKeyChanged,
}

// failure is the reply for an error.
func failure(err error) reply {
	for code, e := range codes {
		if errors.Is(err, e) {
			return reply{Code: code, Text: err.Error()}
		}
	}
	return reply{Code: "failed", Text: err.Error()}
}

// duty is how an operation is done.
type duty struct {
	right Right // "": every user's
	do    func(s *server, uid int, r *request) (reply, error)
}

// duties returns how to do an operation.
func duties(o op) (duty, bool) {
	d, ok := map[op]duty{
		opHello: {"", (*server).hello}, opMint: {RightMint, (*server).mint}, opIndex: {RightMint, (*server).index},
		opHolder: {RightMint, (*server).holder}, opLive: {RightLive, (*server).live}, opShort: {RightLive, (*server).short},
		opStatus: {RightFeed, (*server).signStatus}, opKeyset: {RightLanes, (*server).signKeyset}, opRenew: {RightFeed, (*server).renew},
		opKeys: {RightFeed, (*server).keys}, opGateKeys: {RightLanes, (*server).gateKeys}, opLane: {RightLanes, (*server).lane},
		opServer: {RightServers, (*server).serverCertificate}, opCentral: {RightServers, (*server).centralCertificate},
		opRevoked: {RightServers, (*server).revoked}, opPassKeys: {RightFeed, (*server).passKeys},
		opWithdraw: {RightKeys, (*server).withdraw}, opDelegation: {RightFeed, (*server).delegation},
		opSecrets: {RightServers, (*server).secrets},
	}[o]
	return d, ok
}

// answer does what a user asks, if it may.
func (s *server) answer(uid int, may map[Right]bool, r *request) reply {
	d, known := duties(r.Op)
	var err error
	var out reply
	switch {
	case !known:
		err = fmt.Errorf("%w: operation %d is unknown here", issuer.ErrRefused, r.Op)
	case d.right != "" && !may[d.right]:
		err = fmt.Errorf("%w: user %d has no right %s (sign.users)", issuer.ErrRefused, uid, d.right)
	default:
		out, err = d.do(s, uid, r)
	}
	if errors.Is(err, issuer.ErrRefused) {
		s.alarm(uid, fmt.Sprintf("operation %d", r.Op), err.Error())
	}
	if err != nil {
		return failure(err)
	}
	return out
}

// Days around today that something is done for. The campus day may be one off
// from that of UTC.
const (
	daysBack  = 2
	passAhead = 40 // passes are issued up to 30 days ahead
	gateAhead = 3
	keysAhead = 60
)

// near refuses a day that nobody has business with.
func (s *server) near(d pass.Day, ahead pass.Day) error {
	today := pass.DayOf(s.config.Now().UTC())
	if d+daysBack < today || d > today+ahead {
		return fmt.Errorf("%w: %s is not within %d days back and %d ahead of this machine's date", issuer.ErrRefused, d, daysBack, ahead)
	}
	return nil
}

// welcome is what a client has to know once.
type welcome struct {
	Site      string `json:"site"`
	Authority []byte `json:"authority"` // DER
	standing
}

// standing is what can change while a client is connected.
type standing struct {
	Status   [][]byte  `json:"status"` // public keys, also those before the one in force
	StatusID []byte    `json:"status_id"`
	KeysetID []byte    `json:"keyset_id"`
	Root     link.Root `json:"root"`
}

func (s *server) standing() standing {
	status, keyset := s.config.Keys.Status().KeyID(), s.config.Keys.Keyset().KeyID()
	st := standing{StatusID: status[:], KeysetID: keyset[:], Root: s.config.Keys.Root()}
	for _, k := range s.config.Keys.StatusKeys() {
		st.Status = append(st.Status, k)
	}
	return st
}

func (s *server) hello(int, *request) (reply, error) {
	data, err := json.Marshal(welcome{s.config.Site, s.config.Keys.Authority().Raw, s.standing()})
	return reply{Data: data}, err
}

// by signs with a role, if the client knows with which key.
func by(role link.Signer, r *request) ([]byte, error) {
	id := role.KeyID()
	if !bytes.Equal(r.Signer, id[:]) {
		return nil, link.ErrKeyChanged
	}
	signature, err := role.Sign(r.Data)
	if err == nil && role.KeyID() != id {
		err = link.ErrKeyChanged
	}
	return signature, err
}

func (s *server) mint(uid int, r *request) (reply, error) {
	if r.Pass == nil {
		return reply{}, errFrame
	}
	l, err := s.mintLimit(r.Pass)
	if err != nil {
		return reply{}, err
	}
	if err := errors.Join(s.near(r.Pass.Day, passAhead), s.budget.take(l, 1, s.config.Now())); err != nil {
		return reply{}, err
	}
	p, signature, err := s.config.Keys.Mint(*r.Pass)
	if err != nil {
		return reply{}, err
	}
	what, detail := mintLine(&p)
	return reply{Pass: &p, Data: signature}, s.note(uid, what, detail)
}

// mintLine words what was signed. A supervisor code opens a lane with everything
// else down: its lines are found apart, and say where it is good and for what.
func mintLine(p *pass.Pass) (what, detail string) {
	if p.Kind == pass.Supervisor {
		return "supervisor_code", fmt.Sprintf("%s %s lane %x hours %d key %d", p.ID(), pass.Action(p.Zones>>8), p.Holder, p.Length, p.KeyID)
	}
	return "mint", fmt.Sprintf("%s %s zones %04x key %d generation %d", p.ID(), p.Kind, p.Zones, p.KeyID, p.Generation)
}

// reissueTime is how long after a withdrawal passes may be signed once more by
// the larger limit: a campus of a month of passes takes ten minutes.
const reissueTime = time.Hour

// mintLimit says which limit a pass counts for.
func (s *server) mintLimit(p *pass.Pass) (limit, error) {
	switch {
	case p.Kind == pass.Supervisor: // its cause stands where a pass has its generation
		return limitCodes, nil
	case p.Generation == 0:
		return limitMint, nil
	}
	list, err := s.config.Keys.PassKeys()
	if err != nil {
		return limitMint, err
	}
	for _, k := range list {
		if !k.Withdrawn.IsZero() && s.config.Now().Sub(k.Withdrawn) < reissueTime {
			return limitReissues, nil
		}
	}
	return limitMint, nil
}

// lookup lets one secret-dependent number out. There is one for each pass that is
// made: the audit counts them.
func (s *server) lookup(uid int, r *request) error {
	if err := errors.Join(s.near(r.Day, passAhead), s.budget.take(limitLookups, 1, s.config.Now())); err != nil {
		return err
	}
	s.routine.count(uid, "lookup")
	return nil
}

func (s *server) index(uid int, r *request) (reply, error) {
	if err := s.lookup(uid, r); err != nil {
		return reply{}, err
	}
	if r.Number > uint64(r.Of) {
		return reply{}, fmt.Errorf("%w: number %d of %d", issuer.ErrSpan, r.Number, r.Of)
	}
	n, err := s.config.Keys.Index(r.Day, uint32(r.Number), r.Of)
	return reply{Number: uint64(n)}, err
}

func (s *server) holder(uid int, r *request) (reply, error) {
	if err := s.lookup(uid, r); err != nil {
		return reply{}, err
	}
	ref, err := s.config.Keys.Holder(r.Day, r.Name)
	return reply{Data: ref[:]}, err
}

// one lets a live key or short code of one pass out.
func (s *server) one(uid int, r *request, what string) error {
	if r.Pass == nil {
		return errFrame
	}
	if err := errors.Join(s.near(r.Pass.Day, passAhead), s.budget.take(limitLive, 1, s.config.Now())); err != nil {
		return err
	}
	return s.note(uid, what, r.Pass.ID().String())
}

func (s *server) live(uid int, r *request) (reply, error) {
	if err := s.one(uid, r, "live_key"); err != nil {
		return reply{}, err
	}
	k, err := s.config.Keys.LiveKey(r.Pass)
	return reply{Data: k[:]}, err
}

func (s *server) short(uid int, r *request) (reply, error) {
	if err := s.one(uid, r, "short_code"); err != nil {
		return reply{}, err
	}
	c, err := s.config.Keys.Short(r.Pass, uint8(r.Number))
	return reply{Number: c.Value()}, err
}

// signStatus signs a message of the feed, by its own limit for each kind.
func (s *server) signStatus(uid int, r *request) (reply, error) {
	t, payload, err := issuer.SplitMessage(s.config.Site, r.Data)
	if err != nil {
		return reply{}, err
	}
	if err := s.spend(t, payload); err != nil {
		return reply{}, err
	}
	signature, err := by(s.config.Keys.Status(), r)
	if err != nil {
		return reply{}, err
	}
	return reply{Data: signature}, s.noteMessage(uid, t, payload)
}

func (s *server) spend(t link.Type, payload []byte) error {
	now := s.config.Now()
	switch t {
	case link.TypeAck, link.TypeTime, link.TypeUses:
		return s.budget.take(limitAnswers, 1, now)
	case link.TypeCommand:
		return s.spendCommand(payload, now)
	case link.TypeDelta:
		d, events, err := deltaOf(payload)
		if err != nil {
			return err
		}
		if n := count(s.fresh(d, events), link.Release); n > 0 {
			if err := s.budget.take(limitReleases, n, now); err != nil {
				return err
			}
		}
		s.signed(d)
	}
	return s.budget.take(limitFeed, 1, now)
}

// fresh returns the events that were in no delta so far: what a lane missed is
// signed for it again, and costs nothing.
func (s *server) fresh(d link.Delta, events []link.Event) []link.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Epoch != s.epoch || d.From >= s.seq {
		return events
	}
	return events[min(s.seq-d.From, uint64(len(events))):]
}

func (s *server) signed(d link.Delta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Epoch != s.epoch || d.To > s.seq {
		s.epoch, s.seq = d.Epoch, d.To
	}
}

func deltaOf(payload []byte) (d link.Delta, events []link.Event, err error) {
	if err := cbor.Unmarshal(payload, &d); err != nil {
		return d, nil, fmt.Errorf("%w: not a delta: %w", issuer.ErrRefused, err)
	}
	if events, err = d.Events(); err != nil {
		return d, nil, fmt.Errorf("%w: not a delta: %w", issuer.ErrRefused, err)
	}
	return d, events, nil
}

func count(events []link.Event, t link.EventType) (n int) {
	for _, e := range events {
		if e.Type == t {
			n++
		}
	}
	return n
}

// noteMessage writes down what changes what lanes do; heads and answers are
// counted.
func (s *server) noteMessage(uid int, t link.Type, payload []byte) error {
	switch t {
	case link.TypeDelta:
		d, events, err := deltaOf(payload)
		if err != nil {
			return err
		}
		return s.note(uid, "delta", fmt.Sprintf("epoch %d, %d to %d: %d revoked, %d held, %d released, %d keys withdrawn", d.Epoch, d.From, d.To,
			count(events, link.Revoke), count(events, link.Hold), count(events, link.Release), count(events, link.WithdrawKey)))
	case link.TypeCommand:
		c, err := commandOf(payload)
		if err != nil {
			return err
		}
		return s.note(uid, "command", fmt.Sprintf("%s %s/%d number %d direction %d cause %d", c.Action, c.Lane, c.Index, c.Number, c.Direction, c.Cause))
	case link.TypeRules, link.TypeSnapshot, link.TypeAudit:
		sum := sha256.Sum256(payload)
		return s.note(uid, map[link.Type]string{link.TypeRules: "rules", link.TypeSnapshot: "snapshot", link.TypeAudit: "audit_head"}[t], "sha256 "+hex.EncodeToString(sum[:]))
	}
	s.routine.count(uid, map[link.Type]string{link.TypeHead: "head", link.TypeAck: "ack", link.TypeTime: "time", link.TypeUses: "uses"}[t])
	return nil
}

func (s *server) signKeyset(uid int, r *request) (reply, error) {
	if err := s.budget.take(limitFeed, 1, s.config.Now()); err != nil {
		return reply{}, err
	}
	signature, err := by(s.config.Keys.Keyset(), r)
	if err != nil {
		return reply{}, err
	}
	sum := sha256.Sum256(r.Data)
	return reply{Data: signature}, s.note(uid, "lanes", "sha256 "+hex.EncodeToString(sum[:]))
}

func (s *server) renew(uid int, r *request) (reply, error) {
	if err := errors.Join(s.near(r.Day, 1), s.near(r.To, keysAhead)); err != nil {
		return reply{}, err
	}
	before, _, err := s.config.Keys.Keys()
	if err != nil {
		return reply{}, err
	}
	if err := s.config.Keys.Renew(r.Day, r.To, r.Test, s.config.Now()); err != nil {
		return reply{}, err
	}
	out, err := s.keys(uid, r)
	if err == nil && out.Keyset.Version != before.Version {
		err = s.note(uid, "keyset", fmt.Sprintf("version %d, %d keys", out.Keyset.Version, len(out.Keyset.Keys)))
	}
	return out, err
}

func (s *server) keys(int, *request) (reply, error) {
	k, message, err := s.config.Keys.Keys()
	if err != nil {
		return reply{}, err
	}
	now, err := json.Marshal(s.standing())
	return reply{Keyset: &k, Data: message, Text: string(now)}, err
}

func (s *server) gateKeys(uid int, r *request) (reply, error) {
	to, err := ecdh.X25519().NewPublicKey(r.Data)
	if err != nil || !link.ValidID(r.Name) {
		return reply{}, fmt.Errorf("%w: not a lane controller's sealing key", issuer.ErrRefused)
	}
	for _, d := range r.Days {
		if err := s.near(d, gateAhead); err != nil {
			return reply{}, err
		}
	}
	if err := s.budget.take(limitGateKeys, 1, s.config.Now()); err != nil {
		return reply{}, err
	}
	data, err := s.config.Keys.SealGateKeys(issuer.GateKeys{Lane: r.Name, Version: r.Number, To: to, Days: r.Days})
	if err != nil {
		return reply{}, err
	}
	sum := sha256.Sum256(r.Data)
	return reply{Data: data}, s.note(uid, "gate_keys", fmt.Sprintf("%v to lane %s, sealing key %s", r.Days, r.Name, hex.EncodeToString(sum[:8])))
}

func (s *server) lane(uid int, r *request) (reply, error) {
	return s.certificate(uid, "lane_certificate", func(now time.Time) (*x509.Certificate, error) {
		return s.config.Keys.SignLane(r.Data, r.Name, now)
	})
}

func (s *server) serverCertificate(uid int, r *request) (reply, error) {
	return s.certificate(uid, "server_certificate", func(now time.Time) (*x509.Certificate, error) {
		return s.config.Keys.SignServer(r.Data, r.Hosts, now)
	})
}

func (s *server) centralCertificate(uid int, r *request) (reply, error) {
	return s.certificate(uid, "central_certificate", func(now time.Time) (*x509.Certificate, error) {
		return s.config.Keys.SignCentral(r.Data, now)
	})
}

func (s *server) certificate(uid int, what string, make func(time.Time) (*x509.Certificate, error)) (reply, error) {
	now := s.config.Now()
	if err := s.budget.take(limitCertificates, 1, now); err != nil {
		return reply{}, err
	}
	c, err := make(now)
	if err != nil {
		return reply{}, err
	}
	detail := fmt.Sprintf("%s %v %v serial %x", c.Subject.CommonName, c.DNSNames, c.IPAddresses, c.SerialNumber)
	return reply{Data: c.Raw}, s.note(uid, what, detail)
}

func (s *server) revoked(uid int, r *request) (reply, error) {
	now := s.config.Now()
	if err := s.budget.take(limitCertificates, 1, now); err != nil {
		return reply{}, err
	}
	serials := make([]*big.Int, 0, len(r.Serials))
	for _, b := range r.Serials {
		serials = append(serials, new(big.Int).SetBytes(b))
	}
	data, err := s.config.Keys.RevocationList(serials, now)
	if err != nil {
		return reply{}, err
	}
	return reply{Data: data}, s.note(uid, "revocation_list", fmt.Sprintf("%d certificates", len(serials)))
}

// maxListed bounds the pass keys that are listed: some years of them.
const maxListed = 500

func (s *server) passKeys(int, *request) (reply, error) {
	list, err := s.config.Keys.PassKeys()
	if err != nil {
		return reply{}, err
	}
	data, err := json.Marshal(list[max(0, len(list)-maxListed):])
	return reply{Data: data}, err
}

func (s *server) withdraw(uid int, r *request) (reply, error) {
	now := s.config.Now()
	if err := s.budget.take(limitWithdrawals, 1, now); err != nil {
		return reply{}, err
	}
	if r.Number > 1<<16-1 {
		return reply{}, fmt.Errorf("%w: %d", issuer.ErrUnknownKey, r.Number)
	}
	if err := s.config.Keys.Withdraw(uint16(r.Number), now); err != nil {
		return reply{}, err
	}
	return reply{}, s.note(uid, "withdraw_key", fmt.Sprint(r.Number))
}

// delegationWire is issuer.DelegationState on the socket.
type delegationWire struct {
	issuer.DelegationState
	Problem string `json:"Problem"`
}

func (s *server) delegation(int, *request) (reply, error) {
	d, err := s.config.Keys.Delegation()
	if err != nil {
		return reply{}, err
	}
	w := delegationWire{DelegationState: d}
	if d.Problem != nil {
		w.Problem = d.Problem.Error()
	}
	data, err := json.Marshal(w)
	return reply{Data: data}, err
}
