package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config is the section server of config.toml.
type Config struct {
	Listen         []string      `koanf:"listen" comment:"Addresses of the API as HOST:PORT; port 0 takes a free one. Loopback by default, since whoever reaches the port can try tokens."`
	AllowedHosts   []string      `koanf:"allowed_hosts" comment:"Names besides localhost, loopback and the listen addresses that a request's Host header may have. A name that is not here is refused, which stops web pages from reaching the node by DNS rebinding."`
	AllowedOrigins []string      `koanf:"allowed_origins" comment:"Web origins (https://example.org) whose pages may call the API. Empty: any page that has a token may, and with auth.mode none no page may."`
	MaxBody        int64         `koanf:"max_body" comment:"Largest JSON body in bytes. 2 MiB is what clients of the reference node expect; uploads have a limit of their own."`
	MaxInFlight    int           `koanf:"max_in_flight" comment:"How many requests may run at a time; more are answered 503 at once rather than fill the memory."`
	MaxConnections int           `koanf:"max_connections" comment:"How many connections may be open at a time; more wait to be accepted, so that file descriptors are left for the store."`
	MetricsPublic  bool          `koanf:"metrics_public" comment:"Answer /metrics without a token also on addresses that are not loopback."`
	HeaderTimeout  time.Duration `koanf:"header_timeout" comment:"How long a client may take to send the head of a request."`
	BodyTimeout    time.Duration `koanf:"body_timeout" comment:"How long a client may take to send a JSON body, or to send nothing of an upload; twice that is what it may take for 1 MiB of an answer. A slower one is cut off."`
	IdleTimeout    time.Duration `koanf:"idle_timeout" comment:"How long a connection is kept open between requests."`
	DrainTimeout   time.Duration `koanf:"drain_timeout" comment:"How long running requests may go on when the node stops. 3 s keep the whole stop below 5 s."`
}

// maxHeaderBytes fits the largest token that node/auth issues.
const maxHeaderBytes = 80 << 10

// DefaultConfig listens on loopback, port 2528.
func DefaultConfig() Config {
	return Config{
		Listen:         []string{"127.0.0.1:2528", "[::1]:2528"},
		AllowedHosts:   []string{},
		AllowedOrigins: []string{},
		MaxBody:        2 << 20,
		MaxInFlight:    1024,
		MaxConnections: 4096,
		HeaderTimeout:  10 * time.Second,
		BodyTimeout:    30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		DrainTimeout:   3 * time.Second,
	}
}

// Validate names the key that is wrong.
func (c Config) Validate() error {
	if len(c.Listen) == 0 {
		return errors.New("server.listen: at least one address is needed")
	}
	for _, address := range c.Listen {
		if _, err := parseListen(address); err != nil {
			return fmt.Errorf("server.listen: %w", err)
		}
	}
	for _, host := range c.AllowedHosts {
		if err := checkHostName(host); err != nil {
			return fmt.Errorf("server.allowed_hosts: %w", err)
		}
	}
	for _, origin := range c.AllowedOrigins {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("server.allowed_origins: %w", err)
		}
	}
	for _, row := range []struct {
		key   string
		value int64
	}{
		{"max_body", c.MaxBody},
		{"max_in_flight", int64(c.MaxInFlight)},
		{"max_connections", int64(c.MaxConnections)},
		{"header_timeout", int64(c.HeaderTimeout)},
		{"body_timeout", int64(c.BodyTimeout)},
		{"idle_timeout", int64(c.IdleTimeout)},
		{"drain_timeout", int64(c.DrainTimeout)},
	} {
		if row.value <= 0 {
			return fmt.Errorf("server.%s: must be more than 0", row.key)
		}
	}
	return nil
}

// parseListen splits HOST:PORT; the host is an IP address, localhost or empty.
func parseListen(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q: port %q is not a number from 0 to 65535", address, port)
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", fmt.Errorf("%q: %q is not an IP address", address, host)
		}
	}
	return host, nil
}

// Loopback reports whether every listen address is reachable from this machine
// alone; auth.mode none asks for that (R25).
func (c Config) Loopback() bool {
	for _, address := range c.Listen {
		host, err := parseListen(address)
		if err != nil || !isLoopbackHost(host) {
			return false
		}
	}
	return true
}

func checkHostName(host string) error {
	if host == "" || host != strings.TrimSpace(host) || strings.ContainsAny(host, "/*@?#") {
		return fmt.Errorf("%q is not a host name", host)
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && strings.Contains(host, ":") {
		return fmt.Errorf("%q: give the name without a port", host)
	}
	return nil
}

func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not like https://example.org", origin)
	}
	return nil
}
