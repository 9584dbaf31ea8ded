package api

import "time"

// Alive is the data of GET /health and /is-authed.
type Alive struct {
	Status string `json:"status"`
}

// Ready is the body of GET /ready: 200 when calls can be taken, 503 with the
// reason when not.
type Ready struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// Status is the data of GET /x/status.
type Status struct {
	// Name is the node's directory name; Version the program's.
	Name    string `json:"name"`
	Version string `json:"version"`
	PeerID  string `json:"peerId"`
	// API and P2P are the addresses in use, as in api.addr and p2p.addr.
	API []string `json:"api"`
	P2P []string `json:"p2p"`
	// Auth is token or none.
	Auth          string     `json:"auth"`
	StartedAt     time.Time  `json:"startedAt"`
	UptimeSeconds int64      `json:"uptimeSeconds"`
	Contexts      int        `json:"contexts"`
	Applications  int        `json:"applications"`
	Peers         int        `json:"peers"`
	Sync          SyncHealth `json:"sync"`
	// ReadOnly says why the node refuses to write; empty when it does not.
	ReadOnly string       `json:"readOnly,omitempty"`
	Memory   MemoryStatus `json:"memory"`
	Disk     DiskStatus   `json:"disk"`
}

// SyncHealth counts contexts by how they stand with the connected members' nodes.
type SyncHealth struct {
	// Equal ones are the same on all of them, Behind ones are not; of Alone ones none is
	// connected.
	Equal  int `json:"equal"`
	Behind int `json:"behind"`
	Alone  int `json:"alone"`
	// LagMs is for how long the one that has been behind longest has been.
	LagMs float64 `json:"lagMs"`
}

// MemoryStatus counts bytes.
type MemoryStatus struct {
	// HeapBytes is what live objects take.
	HeapBytes uint64 `json:"heapBytes"`
	// SystemBytes is what the process holds from the operating system for Go.
	SystemBytes uint64 `json:"systemBytes"`
	Goroutines  int    `json:"goroutines"`
}

// DiskStatus counts bytes.
type DiskStatus struct {
	StoreBytes uint64 `json:"storeBytes"`
	BlobBytes  uint64 `json:"blobBytes"`
	FreeBytes  uint64 `json:"freeBytes"`
}

// PeersCount is the body of GET /peers; it has no data wrapper.
type PeersCount struct {
	Count int `json:"count"`
}

// Peer is one connected peer.
type Peer struct {
	ID        string `json:"id"`
	Addr      string `json:"addr"`
	Transport string `json:"transport"`
	// Direction is inbound or outbound.
	Direction string `json:"direction"`
	// LatencyMs is the smoothed round trip in milliseconds; 0 when unknown.
	LatencyMs float64 `json:"latencyMs"`
	// Agent is what it says it is.
	Agent string `json:"agent,omitempty"`
	// ClockMs is how far its clock is ahead, as the last heartbeat told; absent: not
	// known.
	ClockMs *float64 `json:"clockMs,omitempty"`
	// Problem is why both could not tell each other which contexts they share.
	Problem string `json:"problem,omitempty"`
	// Contexts are those that it is known to share.
	Contexts []SyncLink `json:"contexts"`
}

// PeersResponse is the data of GET /x/peers.
type PeersResponse struct {
	Peers []Peer `json:"peers"`
}
