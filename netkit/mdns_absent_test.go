//go:build !mdns

package netkit_test

const hasMDNS = false
