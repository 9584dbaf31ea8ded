package commands

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"mero/commands/line"
)

// relisten replaces the hosts or the port of listen addresses: HOST:PORT for
// the API; for other nodes multiaddresses, one for TCP and one for QUIC a host.
// What is empty stays as it is now.
func relisten(swarm bool, current []string, hosts, port string) ([]string, error) {
	var list []string
	if hosts != "" {
		for host := range strings.SplitSeq(hosts, ",") {
			if host = strings.Trim(strings.TrimSpace(host), "[]"); host != "" {
				list = append(list, host)
			}
		}
	}
	for _, address := range current {
		host, p := splitListen(address)
		if hosts == "" && host != "" && !slices.Contains(list, host) {
			list = append(list, host)
		}
		if port == "" {
			port = p
		}
	}
	if len(list) == 0 {
		return nil, line.Usagef("%q names no host", hosts)
	}
	var out []string
	for _, host := range list {
		if !swarm {
			out = append(out, net.JoinHostPort(host, port))
			continue
		}
		prefix := "/dns/" + host
		if ip, err := netip.ParseAddr(host); err == nil {
			prefix = "/ip6/" + host
			if ip.Is4() {
				prefix = "/ip4/" + host
			}
		}
		out = append(out, prefix+"/tcp/"+port, prefix+"/udp/"+port+"/quic-v1")
	}
	return out, nil
}

// splitListen takes the host and the port out of either form.
func splitListen(address string) (host, port string) {
	if host, port, err := net.SplitHostPort(address); err == nil {
		return host, port
	}
	parts := strings.Split(address, "/") // "", ip4, HOST, tcp, PORT, …
	if len(parts) < 5 {
		return "", ""
	}
	return parts[2], parts[4]
}
