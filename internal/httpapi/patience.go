package httpapi

import (
	"context"
	"sync"
	"time"
)

// publishTimeout is how long a publish may take to be durable.
const publishTimeout = 10 * time.Second

// patience bounds how long publishes wait. Those that come within a moment
// share a context, which ends publishTimeout after the first of them: a timer
// and a channel for each would cost more than reading what it says. A caller
// that leaves ends nothing, since what it asked for is under way.
type patience struct {
	mu    sync.Mutex
	ctx   context.Context // handed out, not used here
	begun time.Time       // when it was made
}

// moment is by how much a publish may be held to less than publishTimeout.
const moment = 50 * time.Millisecond

func (p *patience) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.ctx == nil || now.Sub(p.begun) >= moment {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(publishTimeout, cancel)
		p.ctx, p.begun = ctx, now
	}
	return p.ctx
}
