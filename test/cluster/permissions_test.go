package cluster

import (
	"testing"

	"github.com/bellhop/bellhop/test/natsserver"
)

// A node without permissions that it needs, at once or only after hours, stays alive, is not ready,
// and names them. It becomes ready by itself when they are granted.
func TestAMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1, Keyed: true})
	for name, subjects := range map[string][]string{
		"publish": {"bellhop.BELLHOP.journal", "_INBOX.>"},
		"peers":   {"bellhop.BELLHOP.peers.>"},
		"stream": {
			"$JS.API.STREAM.INFO.BELLHOP", "$JS.API.STREAM.CREATE.BELLHOP", "$JS.API.STREAM.PURGE.BELLHOP",
			"$JS.API.STREAM.MSG.GET.BELLHOP",
		},
		"consumer": {
			"$JS.API.CONSUMER.CREATE.BELLHOP.>", "$JS.API.CONSUMER.INFO.BELLHOP.>", "$JS.API.CONSUMER.DELETE.BELLHOP.>",
			"$JS.API.CONSUMER.MSG.NEXT.BELLHOP.>",
		},
		"stream of checkpoints": {
			"$JS.API.STREAM.INFO.OBJ_BELLHOP_CHECKPOINTS", "$JS.API.STREAM.CREATE.OBJ_BELLHOP_CHECKPOINTS",
			"$JS.API.STREAM.PURGE.OBJ_BELLHOP_CHECKPOINTS",
		},
		"checkpoints": {
			"$O.BELLHOP_CHECKPOINTS.C.>", "$O.BELLHOP_CHECKPOINTS.M.>",
			"$JS.API.DIRECT.GET.OBJ_BELLHOP_CHECKPOINTS", "$JS.API.DIRECT.GET.OBJ_BELLHOP_CHECKPOINTS.$O.BELLHOP_CHECKPOINTS.M.>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			servers.Refuse(t, subjects...)
			n := start(t, settings(t, servers))
			n.requireReason(t, "give its user the permissions of the operating guide")
			for _, subject := range subjects {
				n.requireReason(t, "to "+subject)
			}
			servers.Refuse(t)
			n.requireReady(t)
			n.stop()
		})
	}
}
