package fleet

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// The codes of a refused renewal, beside codeMalformed, codeTooMany and codeTryAgain.
const (
	codeNotEnrolled = "not_enrolled"
	codeTooEarly    = "too_early"
	codeEnded       = "certificate_ended"
	codeReplaced    = "certificate_replaced"
)

// alarmReplaced is the alarm for a lane that renews with a certificate which was
// renewed before, with another key: there are two machines with its identity.
const alarmReplaced = "certificate_conflict"

func (f *Fleet) renewFrom(w http.ResponseWriter, r *http.Request) (*link.RenewAnswer, error) {
	if !f.gate.allow(r.RemoteAddr, f.config.Now()) {
		return nil, refuse(http.StatusTooManyRequests, codeTooMany, "wait a minute and try again")
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, errNotEnrolled
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, link.MaxEnrol))
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeMalformed, fmt.Sprintf("send at most %d bytes", link.MaxEnrol))
	}
	request, err := ParseRenewal(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeMalformed, "update the agent so that it fits this central")
	}
	return f.renew(r.Context(), r.TLS.PeerCertificates[0], request)
}

// errNotEnrolled does not tell which of its reasons it is: nobody learns by
// trying which lanes there are.
var errNotEnrolled = refuse(http.StatusForbidden, codeNotEnrolled, "this certificate and key are of no lane that is enrolled; enrol it again, "+newToken)

// ParseRenewal reads the JSON of a renewal and checks its lengths.
func ParseRenewal(body []byte) (*link.RenewRequest, error) {
	var r link.RenewRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	if len(r.Signature) != ed25519.SignatureSize || len(r.CSR) == 0 {
		return nil, fmt.Errorf("%w: a field has the wrong length", errRequest)
	}
	return &r, nil
}

// renew gives a lane its next certificate against the one that it presented,
// whose key TLS has proven. TLS has not looked at who signed it, or when it
// ended; that is done here, for an ended one may be renewed.
//
// The next certificate counts from the commit on, the present one no longer. A
// lane that did not get the answer asks again with the same key, and gets it again.
func (f *Fleet) renew(ctx context.Context, presented *x509.Certificate, r *link.RenewRequest) (*link.RenewAnswer, error) {
	f.changing.Lock()
	defer f.changing.Unlock()
	if err := f.refresh(ctx); err != nil {
		return nil, err
	}
	now := f.config.Now()
	m, err := f.renewing(presented, r)
	if err != nil {
		return nil, err
	}
	current, err := x509.ParseCertificate(m.row.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read certificate of lane %s: %w", m.row.ID, err)
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil || csr.CheckSignature() != nil {
		return nil, errDamagedRequest
	}
	if k, ok := current.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && k.Equal(csr.PublicKey) {
		return &link.RenewAnswer{Certificate: current.Raw}, nil
	}
	if !presented.Equal(current) {
		f.config.Alarm(ctx, alarmReplaced, m.row.ID, "", "two machines renew the certificate of one lane: its keys were copied")
		return nil, refuse(http.StatusForbidden, codeReplaced, "another machine has renewed this lane's certificate; enrol it again, "+newToken)
	}
	if err := renewable(presented, now); err != nil {
		return nil, err
	}
	return f.sign(ctx, m, r.CSR, now)
}

var errDamagedRequest = refuse(http.StatusBadRequest, codeMalformed, "the certificate request is damaged; the agent makes another at its next try")

// renewing returns the lane that presented a certificate, if it is enrolled,
// once had this certificate, and its journal key wants another.
func (f *Fleet) renewing(presented *x509.Certificate, r *link.RenewRequest) (*member, error) {
	lane := presented.Subject.CommonName
	m := f.member(lane)
	if !link.ValidID(lane) || m == nil || m.row.Enrolled == 0 || presented.CheckSignatureFrom(f.config.Issuer.Authority()) != nil ||
		!ed25519.Verify(m.row.JournalKey, link.RenewSigned(f.config.Site, lane, presented.Raw, r.CSR), r.Signature) {
		return nil, errNotEnrolled
	}
	return m, nil
}

func renewable(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(link.RenewFrom(c.NotBefore, c.NotAfter)):
		return refuse(http.StatusConflict, codeTooEarly, "the certificate is renewed in the last third of its life, not before; is the lane's clock right?")
	case now.After(c.NotAfter.Add(link.RenewGrace)):
		return refuse(http.StatusForbidden, codeEnded, "the certificate ended too long ago to be renewed; enrol the lane again, "+newToken)
	}
	return nil
}

// sign makes the next certificate and stores it. f.changing is held.
func (f *Fleet) sign(ctx context.Context, m *member, csr []byte, now time.Time) (*link.RenewAnswer, error) {
	c, err := f.config.Issuer.SignLane(csr, m.row.ID, now)
	if errors.Is(err, issuer.ErrRequest) {
		return nil, errDamagedRequest
	}
	if err != nil {
		return nil, err
	}
	row := database.Lane{ID: m.row.ID, Expires: c.NotAfter.UnixMilli(), Certificate: c.Raw}
	if err := f.config.DB.Renew(ctx, row, m.row.Certificate, now.UnixMilli(), removed(m, now.UnixMilli())); err != nil {
		return nil, err
	}
	f.mu.Lock()
	next := *f.lanes[m.row.ID] // a report may have come meanwhile
	next.row.Expires, next.row.Certificate = row.Expires, row.Certificate
	f.put(m.row.ID, &next)
	f.mu.Unlock()
	f.config.Log.Info("lane's certificate renewed", "lane", m.row.ID, "until", c.NotAfter)
	return &link.RenewAnswer{Certificate: c.Raw}, nil
}
