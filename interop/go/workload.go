package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// identity is what an X.509-SVID says.
type identity struct {
	ID     string `json:"spiffe_id"`
	Key    string `json:"key"`
	Length int    `json:"length"`
	Hint   string `json:"hint"`
}

func identityOf(svid *x509svid.SVID) identity {
	return identity{
		ID:     svid.ID.String(),
		Key:    svid.Certificates[0].PublicKeyAlgorithm.String(),
		Length: len(svid.Certificates),
		Hint:   svid.Hint,
	}
}

// fetch gets everything that the Workload API has, and verifies it with what it got.
func fetch(ctx context.Context, arguments []string) (any, error) {
	socket, audience := arguments[0], arguments[1]
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(socket))
	if err != nil {
		return nil, err
	}
	defer client.Close()

	x509Context, err := client.FetchX509Context(ctx)
	if err != nil {
		return nil, fmt.Errorf("X.509 context: %w", err)
	}
	identities := []identity{}
	for _, svid := range x509Context.SVIDs {
		if _, _, err := x509svid.Verify(svid.Certificates, x509Context.Bundles); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		identities = append(identities, identityOf(svid))
	}
	trustDomain := x509Context.DefaultSVID().ID.TrustDomain()

	x509Bundles, err := client.FetchX509Bundles(ctx)
	if err != nil {
		return nil, fmt.Errorf("X.509 bundles: %w", err)
	}
	x509Bundle, err := x509Bundles.GetX509BundleForTrustDomain(trustDomain)
	if err != nil {
		return nil, err
	}
	jwtBundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return nil, fmt.Errorf("JWT bundles: %w", err)
	}
	jwtBundle, err := jwtBundles.GetJWTBundleForTrustDomain(trustDomain)
	if err != nil {
		return nil, err
	}

	fetched, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return nil, fmt.Errorf("JWT-SVID: %w", err)
	}
	verified, err := jwtsvid.ParseAndValidate(fetched.Marshal(), jwtBundle, []string{audience})
	if err != nil {
		return nil, fmt.Errorf("verify JWT-SVID: %w", err)
	}
	validated, err := client.ValidateJWTSVID(ctx, fetched.Marshal(), audience)
	if err != nil {
		return nil, fmt.Errorf("have JWT-SVID validated: %w", err)
	}
	_, refused := client.ValidateJWTSVID(ctx, fetched.Marshal(), "another "+audience)
	return map[string]any{
		"svids":     identities,
		"bundle":    authoritiesOf(x509Bundle.X509Authorities(), jwtBundle.JWTAuthorities()),
		"token":     map[string]any{"verified": verified.ID, "validated": validated.ID, "audience": verified.Audience},
		"misused":   fmt.Sprint(refused),
		"issued_at": verified.Claims["iat"],
	}, nil
}

// updates prints each X.509 context as it comes, and ends the watch after so many.
type updates struct {
	left int
	stop context.CancelFunc
	err  error
}

func (u *updates) OnX509ContextUpdate(x509Context *workloadapi.X509Context) {
	identities := []identity{}
	for _, svid := range x509Context.SVIDs {
		identities = append(identities, identityOf(svid))
	}
	u.err = say(identities)
	if u.left--; u.left == 0 || u.err != nil {
		u.stop()
	}
}

func (u *updates) OnX509ContextWatchError(err error) {
	// Some come with stopping.
	if u.left > 0 {
		u.err = err
		u.stop()
	}
}

// watch prints X.509 contexts as the agent sends them, each on a line of its own, and null in the end.
func watch(ctx context.Context, arguments []string) (any, error) {
	left, err := strconv.Atoi(arguments[1])
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watcher := updates{left: left, stop: stop}
	err = workloadapi.WatchX509Context(ctx, &watcher, workloadapi.WithAddr(arguments[0]))
	if watcher.err != nil {
		return nil, watcher.err
	}
	if watcher.left > 0 {
		return nil, fmt.Errorf("ended before its time: %w", err)
	}
	return nil, nil
}
