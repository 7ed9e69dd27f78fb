package sign

import "fmt"

// secrets hands out the key that central's secrets in the database are sealed
// with: who runs central reads those secrets anyway, who has a copy of the
// database does not.
func (s *server) secrets(uid int, _ *request) (reply, error) {
	key, err := s.config.Keys.SecretsKey()
	if err != nil {
		return reply{}, err
	}
	return reply{Data: key[:]}, s.note(uid, "secrets_key", "")
}

// SecretsKey implements issuer.Custody.
func (c *Client) SecretsKey() (key [32]byte, err error) {
	r, err := c.call(request{Op: opSecrets})
	if err != nil {
		return key, err
	}
	if copy(key[:], r.Data) != len(key) || len(r.Data) != len(key) {
		return key, fmt.Errorf("%w: a key of %d bytes", errFrame, len(r.Data))
	}
	return key, nil
}
