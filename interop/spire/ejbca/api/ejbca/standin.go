// Package ejbca stands where the client of EJBCA's REST API would be, which Go's module proxy does not hand out.
//
// SPIRE's server is compiled with a plugin for EJBCA and so needs the names below to be there. They refuse: a server
// with that plugin in its configuration does not start, and the tests configure none.
package ejbca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
)

var errAbsent = errors.New("EJBCA's client is not part of this build of SPIRE")

// Authenticator is how the client would prove who it is.
type Authenticator interface {
	GetHTTPClient() (*http.Client, error)
}

// MTLSAuthenticatorBuilder would make one with a client certificate.
type MTLSAuthenticatorBuilder struct{}

// NewMTLSAuthenticatorBuilder begins.
func NewMTLSAuthenticatorBuilder() *MTLSAuthenticatorBuilder { return &MTLSAuthenticatorBuilder{} }

// WithClientCertificate takes the certificate.
func (b *MTLSAuthenticatorBuilder) WithClientCertificate(*tls.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

// WithCaCertificates takes the roots.
func (b *MTLSAuthenticatorBuilder) WithCaCertificates([]*x509.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

// Build refuses.
func (b *MTLSAuthenticatorBuilder) Build() (Authenticator, error) { return nil, errAbsent }

// Configuration is where the server would be.
type Configuration struct {
	Host string
}

// NewConfiguration is empty.
func NewConfiguration() *Configuration { return &Configuration{} }

// SetAuthenticator takes it.
func (c *Configuration) SetAuthenticator(Authenticator) {}

// APIClient would be the client.
type APIClient struct {
	V1CertificateApi *V1CertificateApi
}

// NewAPIClient refuses.
func NewAPIClient(*Configuration) (*APIClient, error) { return nil, errAbsent }

// V1CertificateApi is the part of the API that is about certificates.
type V1CertificateApi struct{}

// EnrollPkcs10Certificate begins a request.
func (a *V1CertificateApi) EnrollPkcs10Certificate(context.Context) ApiEnrollPkcs10CertificateRequest {
	return ApiEnrollPkcs10CertificateRequest{}
}

// ApiEnrollPkcs10CertificateRequest is one that is being made.
type ApiEnrollPkcs10CertificateRequest struct{}

// EnrollCertificateRestRequest takes what is asked for.
func (r ApiEnrollPkcs10CertificateRequest) EnrollCertificateRestRequest(EnrollCertificateRestRequest) ApiEnrollPkcs10CertificateRequest {
	return r
}

// Execute refuses.
func (r ApiEnrollPkcs10CertificateRequest) Execute() (*CertificateRestResponse, *http.Response, error) {
	return nil, nil, errAbsent
}

// EnrollCertificateRestRequest is what would be asked for.
type EnrollCertificateRestRequest struct{}

// NewEnrollCertificateRestRequest is empty.
func NewEnrollCertificateRestRequest() *EnrollCertificateRestRequest {
	return &EnrollCertificateRestRequest{}
}

func (r *EnrollCertificateRestRequest) SetUsername(string)                 {}
func (r *EnrollCertificateRestRequest) SetPassword(string)                 {}
func (r *EnrollCertificateRestRequest) SetCertificateRequest(string)       {}
func (r *EnrollCertificateRestRequest) SetCertificateAuthorityName(string) {}
func (r *EnrollCertificateRestRequest) SetCertificateProfileName(string)   {}
func (r *EnrollCertificateRestRequest) SetEndEntityProfileName(string)     {}
func (r *EnrollCertificateRestRequest) SetIncludeChain(bool)               {}
func (r *EnrollCertificateRestRequest) SetAccountBindingId(string)         {}

// CertificateRestResponse would be the answer.
type CertificateRestResponse struct {
	CertificateChain []string
}

// GetResponseFormat is empty.
func (r *CertificateRestResponse) GetResponseFormat() string { return "" }

// GetCertificate is empty.
func (r *CertificateRestResponse) GetCertificate() string { return "" }

// GenericOpenAPIError would be what the API complains of.
type GenericOpenAPIError struct{}

func (e GenericOpenAPIError) Error() string { return errAbsent.Error() }

// Body is empty.
func (e GenericOpenAPIError) Body() []byte { return nil }
