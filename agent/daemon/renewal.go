package daemon

import (
	"crypto/x509"
	"time"

	"turnstile/agent/enrol"
)

// renewal keeps this lane controller's certificate from ending.
func (c *central) renewal() *enrol.Renewal {
	return &enrol.Renewal{Data: c.config.Data, Central: c.config.Central, Now: func() time.Time { return c.wall.Time(c.o.Now()) }, Log: c.log, Done: c.renewed}
}

// renewed takes the next certificate into use. A try that failed is made again;
// the warning about the certificate's end comes in time.
func (c *central) renewed(i enrol.Identity, err error) {
	if err != nil {
		c.log.Warn("certificate was not renewed; it is tried again", "err", err)
		return
	}
	c.leaf.Store(i.Certificate.Leaf)
	c.uplink.Renewed(i.Certificate)
}

// certificate is the one that counts.
func (c *central) certificate() *x509.Certificate {
	if next := c.leaf.Load(); next != nil {
		return next
	}
	return c.id.Certificate.Leaf
}
