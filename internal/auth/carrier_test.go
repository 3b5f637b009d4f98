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

	ticketText = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	keyText    = "bhk_JC6oECv148JDDrfyqxGFIklKwfvQBle5On40DoBox1R36HInH"
)

func TestCarrier(t *testing.T) {
	tests := map[string]struct {
		url   string
		lines []string
		err   error
	}{
		"header":                       {"/ws?cursor=abc", []string{authz, "Bearer " + jwtText}, nil},
		"scheme in another case":       {"/ws", []string{authz, "bEARER  " + jwtText}, nil},
		"header and v1":                {"/ws", []string{authz, "Bearer " + jwtText, protocol, "bellhop.v1"}, nil},
		"header, v1 and unknown":       {"/ws", []string{authz, "Bearer " + jwtText, protocol, "chat, bellhop.v1"}, nil},
		"header and no subprotocol":    {"/ws", []string{authz, "Bearer " + jwtText, protocol, ""}, nil},
		"subprotocol":                  {"/ws", []string{protocol, "bellhop.v1, bearer." + jwtText}, nil},
		"subprotocol, other way round": {"/ws", []string{protocol, "bearer." + jwtText + ",bellhop.v1"}, nil},
		"subprotocol on two lines":     {"/ws", []string{protocol, "bellhop.v1", protocol, "bearer." + jwtText}, nil},
		"subprotocol and unknown":      {"/ws", []string{protocol, "chat, bellhop.v1,, bearer." + jwtText}, nil},
		"subprotocol behind Basic":     {"/ws", []string{authz, "Basic eHk6eg==", protocol, "bellhop.v1, bearer." + jwtText}, nil},

		"nothing":                {"/ws", nil, notify.ErrUnauthenticated},
		"v1 alone":               {"/ws", []string{protocol, "bellhop.v1"}, notify.ErrUnauthenticated},
		"Basic":                  {"/ws", []string{authz, "Basic eHk6eg=="}, notify.ErrUnauthenticated},
		"empty":                  {"/ws", []string{authz, ""}, notify.ErrUnauthenticated},
		"no scheme":              {"/ws", []string{authz, jwtText}, notify.ErrUnauthenticated},
		"Bearer of nothing":      {"/ws", []string{authz, "Bearer "}, notify.ErrUnauthenticated},
		"Bearer in another case": {"/ws", []string{protocol, "bellhop.v1, Bearer." + jwtText}, notify.ErrUnauthenticated},

		"two headers":             {"/ws", []string{authz, "Bearer " + jwtText, authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"two headers, one Basic":  {"/ws", []string{authz, "Basic x", authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"two in a header":         {"/ws", []string{authz, "Bearer " + jwtText + ", Bearer " + jwtText}, notify.ErrMalformed},
		"header and subprotocol":  {"/ws", []string{authz, "Bearer " + jwtText, protocol, "bellhop.v1, bearer." + jwtText}, notify.ErrMalformed},
		"two subprotocols":        {"/ws", []string{protocol, "bellhop.v1, bearer." + jwtText + ", bearer." + jwtText}, notify.ErrMalformed},
		"the token alone":         {"/ws", []string{protocol, "bearer." + jwtText}, notify.ErrMalformed},
		"the token and unknown":   {"/ws", []string{protocol, "bellhop.v2, bearer." + jwtText}, notify.ErrMalformed},
		"only unknown":            {"/ws", []string{protocol, "chat, bellhop.v2", authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"v1 in another case":      {"/ws", []string{protocol, "BELLHOP.V1", authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"an empty token":          {"/ws", []string{protocol, "bellhop.v1, bearer."}, notify.ErrMalformed},
		"ticket and header":       {"/ws?ticket=x", []string{authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"ticket and subprotocol":  {"/ws?ticket=x", []string{protocol, "bellhop.v1, bearer." + jwtText}, notify.ErrMalformed},
		"two tickets":             {"/ws?ticket=x&ticket=y", nil, notify.ErrMalformed},
		"an invalid query":        {"/ws?cursor=%zz", []string{authz, "Bearer " + jwtText}, notify.ErrMalformed},
		"a query with semicolons": {"/ws?cursor=a;token=b", []string{authz, "Bearer " + jwtText}, notify.ErrMalformed},

		"a ticket of no form":     {"/ws?ticket=x", nil, notify.ErrTokenInvalid},
		"an empty ticket":         {"/ws?ticket=", nil, notify.ErrTokenInvalid},
		"a ticket cut":            {"/ws?ticket=" + ticketText[1:], nil, notify.ErrTokenInvalid},
		"a ticket too long":       {"/ws?ticket=" + ticketText + "A", nil, notify.ErrTokenInvalid},
		"a ticket, spare bits":    {"/ws?ticket=" + ticketText[:42] + "9", nil, notify.ErrTokenInvalid},
		"a ticket, line end":      {"/ws?ticket=" + ticketText[:42] + "%0A", nil, notify.ErrTokenInvalid},
		"a ticket, line end more": {"/ws?ticket=" + ticketText + "%0A", nil, notify.ErrTokenInvalid},
		"a ticket in base64":      {"/ws?ticket=" + ticketText[:42] + "%2F", nil, notify.ErrTokenInvalid},
		"an API key for a ticket": {"/ws?ticket=" + keyText, nil, notify.ErrTokenInvalid},
		"an API key in the URL":   {"/ws?q=" + keyText, []string{authz, "Bearer " + jwtText}, notify.ErrTokenInvalid},
		"?api_key":                {"/ws?api_key=x", nil, notify.ErrTokenInvalid},
		"?token":                  {"/ws?token=x", nil, notify.ErrTokenInvalid},
		"?access_token":           {"/ws?cursor=x&access_token=" + jwtText, nil, notify.ErrTokenInvalid},
		"?jwt":                    {"/ws?jwt=" + jwtText, nil, notify.ErrTokenInvalid},
		"?bearer":                 {"/ws?BEARER=" + jwtText, nil, notify.ErrTokenInvalid},
		"?authorization":          {"/ws?Authorization=Bearer+" + jwtText, nil, notify.ErrTokenInvalid},
		"a JWT by another name":   {"/ws?q=" + jwtText, nil, notify.ErrTokenInvalid},
		"a JWT for a name":        {"/ws?" + jwtText, nil, notify.ErrTokenInvalid},
		"a JWT for a ticket":      {"/ws?ticket=" + jwtText, nil, notify.ErrTokenInvalid},
		"?token and a header":     {"/ws?token=x", []string{authz, "Bearer " + jwtText}, notify.ErrTokenInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			credential, err := auth.Carrier(made(test.url, test.lines...))
			if test.err != nil {
				requireKind(t, test.err, err, jwtText+"."+ticketText+"."+keyText)
				require.Zero(t, credential)
				return
			}
			require.NoError(t, err)
			require.Equal(t, auth.Credential{Token: jwtText}, credential)
		})
	}
}

func TestCarrierOfTickets(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"alone":           made("/ws?cursor=abc&ticket=" + ticketText),
		"behind Basic":    made("/events?ticket="+ticketText, authz, "Basic eHk6eg=="),
		"with bellhop.v1": made("/ws?ticket="+ticketText, protocol, "bellhop.v1"),
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := auth.Carrier(r)
			require.NoError(t, err)
			require.Equal(t, auth.Credential{Ticket: ticketText}, credential)
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
		"an API key there": {"/notify?key=" + keyText, []string{authz, "Bearer " + jwtText}, notify.ErrTokenInvalid},
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
