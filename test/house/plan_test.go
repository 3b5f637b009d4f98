package house_test

// module is the path that every import of our own begins with.
const module = "github.com/bellhop/bellhop"

// floors lists the packages of internal/ from the roof to the ground. What
// stands on a floor may import what stands on those below it, and nothing
// beside or above it.
var floors = [][]string{
	{"cli"},
	{"app"},
	{"httpapi"},
	{"ws", "sse"},
	{"protocol"},
	{"service"},
	{"hub", "journal", "store", "auth", "peers"},
	{"cursor", "wire", "entry", "nowait"},
	{"strict", "watch", "limit"},
	{"cache", "problem", "text"},
	{"notify"},
}

// leaves are what app and cli alone hand to the others. They import the ground at most.
var leaves = []string{"config", "telemetry", "webui"}

// ground is what leaves may import: the domain's types, and how files and settings
// are read safely, and how errors are answered.
var ground = []string{"notify", "watch", "text", "strict", "problem"}

// Places beside the packages of internal/ at which a library may enter.
const (
	anywhere = "anywhere" // but notify, which has the standard library only
	tests    = "tests"    // any _test.go file, and all that stands in test/
)

// doors says where each library enters: the packages of internal/, or the
// directories, that may import it. A library is found by its longest prefix.
var doors = map[string][]string{
	"github.com/labstack/echo":     {"httpapi"},
	"github.com/labstack/gommon":   {"httpapi"},
	"github.com/gorilla":           {"ws", "cli"},
	"github.com/cockroachdb":       {"store"},
	"github.com/golang-jwt":        {"auth"},
	"github.com/MicahParks":        {"auth"},
	"github.com/alecthomas/kong":   {"config", "cli"},
	"go.yaml.in/yaml/v3":           {"strict", "config", "auth", tests},
	"github.com/prometheus":        {"telemetry", tests},
	"github.com/KimMachineGun":     {"app"},
	"github.com/standard-webhooks": {"auth", tests},
	"github.com/google/uuid":       {anywhere},
	"golang.org/x/sync":            {anywhere},
	"golang.org/x/time":            {"limit"},
	"golang.org/x/sys":             {"store", "ws", "test/load"},
	"github.com/santhosh-tekuri":   {"httpapi", tests},
	"github.com/coder/websocket":   {tests},
	"github.com/getkin":            {tests},
	"github.com/google/go-cmp":     {tests},
	"github.com/stretchr/testify":  {tests},
	"go.uber.org/goleak":           {tests},
	"pgregory.net/rapid":           {tests},

	// Its file system, on which tests cut the power.
	"github.com/cockroachdb/pebble/v2/vfs": {"store", tests},

	// Strict reading of what strangers send: bodies and commands, and tokens.
	"github.com/go-json-experiment": {"strict", "wire", "auth"},
}
