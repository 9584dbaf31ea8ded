package commands

import (
	"io"

	"mero/commands/line"
	"mero/commands/share"
)

// Main runs one command line, args[0] being the program's name, and returns the
// exit code. Data goes to stdout, everything else to stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return line.Main(newTree(), version(), args, stdin, stdout, stderr)
}

// newTree is the whole command line.
func newTree() *line.Tree {
	return line.NewTree(
		&line.Group{Name: "node", Summary: "run a node and look after it", Verbs: []*line.Verb{nodeInit(), nodeRun(), nodeStatus(), share.Peers(), nodeConfig()}},
		&line.Group{Name: "app", Summary: "the applications that a node can run", Verbs: []*line.Verb{appNew(), appBuild(), appInstall(), appList(), appGet(), appMethods(), appRemove()}},
		&line.Group{Name: "context", Summary: "instances of applications, with their state", Verbs: []*line.Verb{contextCreate(), contextList(), contextGet(), contextState(), contextUpdateApp(), share.Invite(), share.Join(), share.Members(), contextVerify(), contextRebuild(), contextDelete()}},
		&line.Group{Name: "dag", Summary: "what contexts are made of: their deltas", Verbs: []*line.Verb{dagInspect(), share.DagDiff(), dagVerify()}},
		&line.Group{Name: "sync", Summary: "exchanging with other nodes", Verbs: []*line.Verb{share.SyncNow(), share.SyncStatus(), share.SyncWatch()}},
		&line.Group{Name: "identity", Summary: "the keys by which this node is a member", Verbs: []*line.Verb{identityNew(), identityList(), identityExport(), identityImport()}},
		&line.Group{Name: "alias", Summary: "names for ids", Verbs: []*line.Verb{aliasSet(), aliasGet(), aliasList(), aliasRemove()}},
		&line.Group{Name: "admin", Summary: "who may use a node", Verbs: []*line.Verb{adminToken(), adminKeys(), adminRevoke()}},
		&line.Group{Verbs: []*line.Verb{callMethod(), localNetwork(), benchmarks(), handbook(), completion(), version()}},
	)
}
