package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// made returns a request with header lines as pairs of name and value.
func made(url string, lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, url, http.NoBody)
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	return r
}

const (
	authz    = "Authorization"
	protocol = "Sec-WebSocket-Protocol"
	jwtText  = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln"
)

func TestCarrier(t *testing.T) {
	tests := map[string]struct {
		url         string
		lines       []string
		subprotocol bool
		err         error
	}{
		"header":                       {"/ws?cursor=abc", []string{authz, "Bearer " + jwtText}, false, nil},
		"scheme in another case":       {"/ws", []string{authz, "bEARER  " + jwtText}, false, nil},
		"header and v1":                {"/ws", []string{authz, "Bearer " + jwtText, protocol, "bellhop.v1"}, false, nil},
		"header, v1 and unknown":       {"/ws", []string{authz, "Bearer " + jwtText, protocol, "chat, bellhop.v1"}, false, nil},
		"header and no subprotocol":    {"/ws", []string{authz, "Bearer " + jwtText, protocol, ""}, false, nil},
		"subprotocol":                  {"/ws", []string{protocol, "bellhop.v1, bearer." + jwtText}, true, nil},
		"subprotocol, other way round": {"/ws", []string{protocol, "bearer." + jwtText + ",bellhop.v1"}, true, nil},
		"subprotocol on two lines":     {"/ws", []string{protocol, "bellhop.v1", protocol, "bearer." + jwtText}, true, nil},
		"subprotocol and unknown":      {"/ws", []string{protocol, "chat, bellhop.v1,, bearer." + jwtText}, true, nil},
		"subprotocol behind Basic":     {"/ws", []string{authz, "Basic eHk6eg==", protocol, "bellhop.v1, bearer." + jwtText}, true, nil},

		"nothing":                {"/ws", nil, false, notify.ErrUnauthenticated},
		"v1 alone":               {"/ws", []string{protocol, "bellhop.v1"}, false, notify.ErrUnauthenticated},
		"Basic":                  {"/ws", []string{authz, "Basic eHk6eg=="}, false, notify.ErrUnauthenticated},
		"empty":                  {"/ws", []string{authz, ""}, false, notify.ErrUnauthenticated},
		"no scheme":              {"/ws", []string{authz, jwtText}, false, notify.ErrUnauthenticated},
		"Bearer of nothing":      {"/ws", []string{authz, "Bearer "}, false, notify.ErrUnauthenticated},
		"Bearer in another case": {"/ws", []string{protocol, "bellhop.v1, Bearer." + jwtText}, false, notify.ErrUnauthenticated},

		"two headers":             {"/ws", []string{authz, "Bearer " + jwtText, authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"two headers, one Basic":  {"/ws", []string{authz, "Basic x", authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"two in a header":         {"/ws", []string{authz, "Bearer " + jwtText + ", Bearer " + jwtText}, false, notify.ErrMalformed},
		"header and subprotocol":  {"/ws", []string{authz, "Bearer " + jwtText, protocol, "bellhop.v1, bearer." + jwtText}, false, notify.ErrMalformed},
		"two subprotocols":        {"/ws", []string{protocol, "bellhop.v1, bearer." + jwtText + ", bearer." + jwtText}, false, notify.ErrMalformed},
		"the token alone":         {"/ws", []string{protocol, "bearer." + jwtText}, false, notify.ErrMalformed},
		"the token and unknown":   {"/ws", []string{protocol, "bellhop.v2, bearer." + jwtText}, false, notify.ErrMalformed},
		"only unknown":            {"/ws", []string{protocol, "chat, bellhop.v2", authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"v1 in another case":      {"/ws", []string{protocol, "BELLHOP.V1", authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"an empty token":          {"/ws", []string{protocol, "bellhop.v1, bearer."}, false, notify.ErrMalformed},
		"ticket and header":       {"/ws?ticket=x", []string{authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"ticket and subprotocol":  {"/ws?ticket=x", []string{protocol, "bellhop.v1, bearer." + jwtText}, false, notify.ErrMalformed},
		"two tickets":             {"/ws?ticket=x&ticket=y", nil, false, notify.ErrMalformed},
		"a query that is none":    {"/ws?cursor=%zz", []string{authz, "Bearer " + jwtText}, false, notify.ErrMalformed},
		"a query with semicolons": {"/ws?cursor=a;token=b", []string{authz, "Bearer " + jwtText}, false, notify.ErrMalformed},

		"ticket":                 {"/ws?ticket=x", nil, false, notify.ErrTokenInvalid},
		"ticket behind Basic":    {"/ws?ticket=x", []string{authz, "Basic eHk6eg=="}, false, notify.ErrTokenInvalid},
		"?token":                 {"/ws?token=x", nil, false, notify.ErrTokenInvalid},
		"?access_token":          {"/ws?cursor=x&access_token=" + jwtText, nil, false, notify.ErrTokenInvalid},
		"?jwt":                   {"/ws?jwt=" + jwtText, nil, false, notify.ErrTokenInvalid},
		"?bearer":                {"/ws?BEARER=" + jwtText, nil, false, notify.ErrTokenInvalid},
		"?authorization":         {"/ws?Authorization=Bearer+" + jwtText, nil, false, notify.ErrTokenInvalid},
		"a JWT by another name":  {"/ws?q=" + jwtText, nil, false, notify.ErrTokenInvalid},
		"a JWT for a name":       {"/ws?" + jwtText, nil, false, notify.ErrTokenInvalid},
		"a JWT for a ticket":     {"/ws?ticket=" + jwtText, nil, false, notify.ErrTokenInvalid},
		"?token beside a header": {"/ws?token=x", []string{authz, "Bearer " + jwtText}, false, notify.ErrTokenInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			token, subprotocol, err := auth.Carrier(made(test.url, test.lines...))
			if test.err != nil {
				requireKind(t, test.err, err, jwtText)
				require.Empty(t, token)
				return
			}
			require.NoError(t, err)
			require.Equal(t, jwtText, token)
			require.Equal(t, test.subprotocol, subprotocol)
		})
	}
}

func TestBearer(t *testing.T) {
	tests := map[string]struct {
		url   string
		lines []string
		err   error
	}{
		"header":           {"/notify", []string{authz, "Bearer " + jwtText}, nil},
		"nothing":          {"/notify", nil, notify.ErrUnauthenticated},
		"Basic":            {"/notify", []string{authz, "Basic x"}, notify.ErrUnauthenticated},
		"subprotocol":      {"/notify", []string{protocol, "bellhop.v1, bearer." + jwtText}, notify.ErrUnauthenticated},
		"ticket":           {"/notify?ticket=x", nil, notify.ErrUnauthenticated},
		"two headers":      {"/notify", []string{authz, "Bearer " + jwtText, authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"a JWT in the URL": {"/notify?token=" + jwtText, []string{authz, "Bearer " + jwtText}, notify.ErrTokenInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			token, err := auth.Bearer(made(test.url, test.lines...))
			if test.err != nil {
				requireKind(t, test.err, err, jwtText)
				return
			}
			require.NoError(t, err)
			require.Equal(t, jwtText, token)
		})
	}
}
