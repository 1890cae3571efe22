// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// clearEnv unsets every OS_* variable and moves to an empty folder, so that
// nothing of the machine's own configuration is found.
func clearEnv(t *testing.T) (dir string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OS_") {
			t.Setenv(name, "")
		}
	}
	dir = t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", "")
	return dir
}

const cloudsYAML = `
clouds:
  pw:
    auth: {auth_url: "http://k/v3", username: u, project_name: p, user_domain_name: D, project_domain_name: E}
    region_name: R1
    interface: internal
  app:
    auth_type: v3applicationcredential
    auth: {auth_url: "http://k/v3", application_credential_id: id1, application_credential_secret: s3cret}
    verify: false
`

func TestCredentialsAreFoundWhereOpenStackClientsLook(t *testing.T) {
	places := map[string]func(t *testing.T, dir string) Options{
		"the working directory": func(t *testing.T, dir string) Options {
			writeFile(t, filepath.Join(dir, "clouds.yaml"), cloudsYAML)
			return Options{Cloud: "app"}
		},
		"the user's configuration": func(t *testing.T, dir string) Options {
			if err := os.MkdirAll(filepath.Join(dir, ".config/openstack"), 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, ".config/openstack/clouds.yaml"), cloudsYAML)
			return Options{Cloud: "app"}
		},
		"OS_CLIENT_CONFIG_FILE and OS_CLOUD": func(t *testing.T, dir string) Options {
			writeFile(t, filepath.Join(dir, "x.yaml"), cloudsYAML)
			t.Setenv("OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "x.yaml"))
			t.Setenv("OS_CLOUD", "app")
			return Options{}
		},
		"the options": func(t *testing.T, dir string) Options {
			writeFile(t, filepath.Join(dir, "x.yaml"), cloudsYAML)
			t.Setenv("OS_CLOUD", "nonsense")
			return Options{Cloud: "app", ConfigFile: filepath.Join(dir, "x.yaml")}
		},
	}
	for place, prepare := range places {
		t.Run(place, func(t *testing.T) {
			c, err := loadCredentials(prepare(t, clearEnv(t)))
			if err != nil {
				t.Fatal(err)
			}
			if c.auth.ApplicationCredentialID != "id1" || c.auth.ApplicationCredentialSecret != "s3cret" || !c.auth.AllowReauth {
				t.Errorf("got %q, renewal %t", c.auth.ApplicationCredentialID, c.auth.AllowReauth)
			}
			if !c.tls.InsecureSkipVerify || c.tls.MinVersion != tls.VersionTLS12 {
				t.Error("verify: false is not honoured, or TLS below 1.2 allowed")
			}
		})
	}
}

func TestSecureYAMLIsMergedIn(t *testing.T) {
	dir := clearEnv(t)
	writeFile(t, filepath.Join(dir, "clouds.yaml"), cloudsYAML)
	writeFile(t, filepath.Join(dir, "secure.yaml"), "clouds: {pw: {auth: {password: hidden}}}")
	c, err := loadCredentials(Options{Cloud: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	want := gophercloud.AuthScope{ProjectName: "p", DomainName: "E"}
	if c.auth.Password != "hidden" || c.auth.DomainName != "D" || *c.auth.Scope != want {
		t.Errorf("user domain %q, scope %+v", c.auth.DomainName, c.auth.Scope)
	}
	if c.endpoint.Region != "R1" || c.endpoint.Availability != gophercloud.AvailabilityInternal || c.tls.InsecureSkipVerify {
		t.Errorf("%+v, insecure %t", c.endpoint, c.tls.InsecureSkipVerify)
	}
}

func TestAnOpenrcFileIsEnough(t *testing.T) {
	clearEnv(t)
	for name, value := range map[string]string{
		"OS_AUTH_URL": "http://k/v3", "OS_USERNAME": "u", "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "p",
		"OS_USER_DOMAIN_NAME": "D", "OS_PROJECT_DOMAIN_ID": "e", "OS_REGION_NAME": "R2", "OS_INTERFACE": "admin", "OS_INSECURE": "true",
	} {
		t.Setenv(name, value)
	}
	c, err := loadCredentials(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := gophercloud.AuthScope{ProjectName: "p", DomainID: "e"}
	if c.auth.Username != "u" || c.auth.Password != "pw" || c.auth.DomainName != "D" || *c.auth.Scope != want {
		t.Errorf("user %q in %q, scope %+v", c.auth.Username, c.auth.DomainName, c.auth.Scope)
	}
	if c.endpoint.Region != "R2" || c.endpoint.Availability != gophercloud.AvailabilityAdmin || !c.tls.InsecureSkipVerify {
		t.Errorf("%+v, insecure %t", c.endpoint, c.tls.InsecureSkipVerify)
	}
}

func TestWrongCredentialsAreNamedBeforeAnyRequest(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		options Options
		says    string
	}{
		"nothing":         {func(*testing.T, string) {}, Options{}, "no cloud is named"},
		"no file":         {func(*testing.T, string) {}, Options{Cloud: "pw"}, "clouds file not found"},
		"unknown cloud":   {func(t *testing.T, d string) { writeFile(t, d+"/clouds.yaml", cloudsYAML) }, Options{Cloud: "x"}, `cloud "x" not found`},
		"not YAML":        {func(t *testing.T, d string) { writeFile(t, d+"/clouds.yaml", "a: [") }, Options{Cloud: "x"}, "yaml"},
		"no address":      {func(t *testing.T, d string) { writeFile(t, d+"/clouds.yaml", "clouds: {x: {auth: {username: u}}}") }, Options{Cloud: "x"}, "no auth_url"},
		"no certificates": {func(t *testing.T, d string) { writeFile(t, d+"/clouds.yaml", cloudsYAML) }, Options{Cloud: "pw", CACert: "absent.pem"}, "absent.pem"},
		"odd boolean":     {func(t *testing.T, _ string) { t.Setenv("OS_AUTH_URL", "http://k"); t.Setenv("OS_INSECURE", "perhaps") }, Options{}, "OS_INSECURE"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.prepare(t, clearEnv(t))
			_, err := New(tt.options)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestACertificateMustBeTrusted(t *testing.T) {
	clearEnv(t)
	plain := newEndpoint(t, answer(200, `{"port": {"id": "x"}}`))
	secure := httptest.NewUnstartedServer(plain.Config.Handler)
	secure.EnableHTTP2 = false
	secure.Config.ErrorLog = discardErrors()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	pemFile := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, pemFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))

	at := func(change func(*Options)) error {
		o := Options{Cloud: "test", ConfigFile: writeClouds(t, secure.URL)}
		change(&o)
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Port(t.Context(), "x")
		return err
	}
	err := at(func(*Options) {})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), "set cacert") {
		t.Errorf("unknown authority: %v", err)
	}
	if err := at(func(o *Options) { o.CACert = pemFile }); err != nil {
		t.Errorf("known authority: %v", err)
	}
	if err := at(func(o *Options) { o.Insecure = true }); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

func TestAClientCertificateIsShown(t *testing.T) {
	dir := clearEnv(t)
	cert, keyFile := writeCertificate(t, dir, "kuryr-node")
	shown := make(chan string, 10)
	plain := newEndpoint(t, answer(200, `{"port": {"id": "x"}}`))
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.TLS.PeerCertificates[0].Subject.CommonName
		plain.Config.Handler.ServeHTTP(w, r)
	}))
	secure.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	t.Setenv("OS_CERT", cert)
	t.Setenv("OS_KEY", keyFile)
	c, err := New(Options{Cloud: "test", ConfigFile: writeClouds(t, secure.URL), Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if name := <-shown; name != "kuryr-node" {
		t.Errorf("shown: %s", name)
	}
}

// writeCertificate makes a certificate that signs itself.
func writeCertificate(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return certFile, keyFile
}

func TestNothingOlderThanTLS12IsSpoken(t *testing.T) {
	clearEnv(t)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = discardErrors()
	old.StartTLS()
	t.Cleanup(old.Close)
	c, err := New(Options{Cloud: "test", ConfigFile: writeClouds(t, old.URL), Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Port(t.Context(), "x"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}
