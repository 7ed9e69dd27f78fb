package enrol

import (
	"errors"
	"net/url"
	"strings"
)

// ErrBroker tells that a text is not a broker's address.
var ErrBroker = errors.New("want ssl://host:port; of a cluster up to 16 nodes with commas between")

// maxBrokers bounds the nodes of a cluster that a lane knows.
const maxBrokers = 16

// Brokers takes a list of addresses apart: ssl://host:port, several with commas
// between if they are nodes of one cluster, any of which will do. ErrBroker.
func Brokers(list string) ([]string, error) {
	nodes := strings.Split(list, ",")
	if len(nodes) > maxBrokers {
		return nil, ErrBroker
	}
	for _, n := range nodes {
		u, err := url.Parse(n)
		if err != nil || u.Scheme != "ssl" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			return nil, ErrBroker
		}
	}
	return nodes, nil
}
