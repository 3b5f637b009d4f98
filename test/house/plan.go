package house

// Module is the path of the module, with which every import of our own begins.
const Module = "github.com/bellhop/bellhop"

// layers lists the packages of internal/ from the top to the bottom. A package may
// import packages of the layers below its own, and no others.
var layers = [][]string{
	{"cli"},
	{"app"},
	{"httpapi"},
	{"ws", "sse"},
	{"protocol"},
	{"service"},
	{"hub", "journal", "store", "auth", "peers"},
	{"cursor", "wire", "entry", "nowait"},
	{"strict", "watch", "limit"},
	{"audit"},
	{"archive", "cache", "console", "pack", "problem", "text"},
	{"notify"},
}

// refused lists imports of lower layers that would undo a separation: transports move
// bytes and know no JSON and no rules of the service, protocols reach the state only
// through the service, and the hub knows neither encodings nor stored state.
var refused = map[string][]string{
	"ws":       {"wire", "service", "journal", "store"},
	"sse":      {"wire", "service", "journal", "store"},
	"protocol": {"journal", "store"},
	"hub":      {"wire", "cursor", "entry"},
}

// leaves are packages that only app and cli import. They import leafImports at most.
var leaves = []string{"config", "telemetry", "webui"}

// leafImports are the packages that leaves may import: the domain's types, and the
// readers of files, settings and errors.
var leafImports = []string{"notify", "watch", "text", "strict", "problem"}

// Importers of libraries that are not packages of internal/.
const (
	anywhere = "anywhere" // all but notify, which uses only the standard library
	tests    = "tests"    // any _test.go file, and everything in test/
)

// libraries lists the importers of each library: packages of internal/, or
// directories. The entry with the longest matching prefix counts.
var libraries = map[string][]string{
	"github.com/labstack/echo":     {"httpapi"},
	"github.com/labstack/gommon":   {"httpapi"},
	"github.com/gorilla":           {"ws", "cli"},
	"github.com/cockroachdb":       {"store"},
	"github.com/golang-jwt":        {"auth"},
	"github.com/MicahParks":        {"auth"},
	"github.com/alecthomas/kong":   {"config", "cli"},
	"go.yaml.in/yaml/v3":           {"strict", tests},
	"github.com/prometheus":        {"telemetry", tests},
	"go.opentelemetry.io":          {"telemetry", tests},
	"gonum.org/v1/plot":            {tests},
	"google.golang.org/protobuf":   {tests},
	"github.com/KimMachineGun":     {"app"},
	"github.com/standard-webhooks": {"auth", tests},
	"github.com/nats-io":           {"journal", "peers", tests},
	"github.com/mattn/go-isatty":   {"cli"},
	"github.com/jotaen":            {"cli"},
	"github.com/klauspost":         {"archive"},
	"github.com/compose-spec":      {"test/deploy"},
	"k8s.io":                       {"test/deploy"},
	"github.com/google/uuid":       {anywhere},
	"golang.org/x/sync":            {anywhere},
	"golang.org/x/time":            {"limit"},
	"golang.org/x/sys":             {"store", "ws", tests},
	"github.com/santhosh-tekuri":   {"httpapi", tests},
	"github.com/coder/websocket":   {tests},
	"github.com/getkin":            {tests},
	"github.com/google/go-cmp":     {tests},
	"github.com/stretchr/testify":  {tests},
	"github.com/hanwen/go-fuse":    {"test/slowdisk"},
	"go.uber.org/goleak":           {tests},
	"pgregory.net/rapid":           {tests},

	// Pebble's file system in memory, with which tests simulate power cuts.
	"github.com/cockroachdb/pebble/v2/vfs": {"store", tests},

	// Strict reading of untrusted input: bodies, commands and tokens.
	"github.com/go-json-experiment": {"strict", "wire"},
}
