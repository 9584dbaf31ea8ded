// Package node puts the parts of a node together: its configuration, its home
// directory, and its life from Open over Run to Close. It decides nothing
// itself; a reader who comes from the reference node finds its NodeManager
// here, with the timers in the parts that they belong to.
//
// # Life
//
// Open takes the home for this process and builds each part from the parts
// before it, in one function that is read top to bottom (open.go). It binds the
// ports, so that a port in use is known before anything runs, and starts
// nothing. Run starts the parts by name in one group; the first error stops
// all. When its context ends the API drains first, then what works behind it
// ends, then everything is closed in the reverse order of Open: under 2 s when
// idle. Two nodes may run in one process; nothing here is global.
//
// # The home
//
// DIR/NAME (0700) holds config.toml, lock, api.addr, p2p.addr, token, keys/,
// db/, blobs/ and cache/. The lock is the operating system's and ends with the
// process, however that ends; its file has the pid for people. Files are
// written beside their place and renamed. After kill -9 the address files are
// left; nobody believes them while the lock is free (Home.APIAddrs), and the
// next start replaces them.
//
// # Configuration
//
// Each package has one struct for its section; the names, comments and defaults
// of the file are those of the structs. A flag goes before the environment, that
// before the file, that before the default, and the source of each value is
// known (R26).
package node
