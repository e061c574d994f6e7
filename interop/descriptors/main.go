// Command descriptors prints, as an encoded google.protobuf.FileDescriptorSet, what the published Go modules were
// compiled from: the SPIRE server services that Symbolon serves, the SPIFFE Workload API, and what these import.
package main

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	debugv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/debug/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	localauthorityv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/localauthority/v1"
	loggerv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/logger/v1"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	trustdomainv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/trustdomain/v1"
)

func main() {
	var set descriptorpb.FileDescriptorSet
	seen := map[string]bool{}
	for _, file := range []protoreflect.FileDescriptor{
		agentv1.File_spire_api_server_agent_v1_agent_proto,
		bundlev1.File_spire_api_server_bundle_v1_bundle_proto,
		debugv1.File_spire_api_server_debug_v1_debug_proto,
		entryv1.File_spire_api_server_entry_v1_entry_proto,
		localauthorityv1.File_spire_api_server_localauthority_v1_localauthority_proto,
		loggerv1.File_spire_api_server_logger_v1_logger_proto,
		svidv1.File_spire_api_server_svid_v1_svid_proto,
		trustdomainv1.File_spire_api_server_trustdomain_v1_trustdomain_proto,
		workload.File_workload_proto,
	} {
		add(&set, seen, file)
	}
	encoded, err := proto.Marshal(&set)
	if err == nil {
		_, err = os.Stdout.Write(encoded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// add appends a file after all that it imports, once.
func add(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		add(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
