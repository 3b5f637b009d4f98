package idp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/idp"
)

// TestIssuerHoldsAndRecovers checks the behaviour that Issuer documents.
func TestIssuerHoldsAndRecovers(t *testing.T) {
	i := idp.New(t, idp.Set[any]())
	get := func() (int, string, error) {
		resp, err := http.Get(i.JWKS())
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	status, body, err := get()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, `{"keys":[]}`, body)

	i.Truncate([]byte(`{"keys":[{}]}`))
	_, body, err = get()
	require.Error(t, err)
	require.Equal(t, `{"keys`, body)

	i.Fail(http.StatusBadGateway)
	asked, release := i.Hold(t)
	done := make(chan int)
	go func() {
		status, _, _ := get()
		done <- status
	}()
	<-asked
	release()
	require.Equal(t, http.StatusBadGateway, <-done)
	require.Equal(t, 3, i.Fetches())
}
