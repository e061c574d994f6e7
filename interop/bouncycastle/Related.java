import java.nio.file.Path;
import java.security.KeyPair;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.cms.BinaryTime;
import org.bouncycastle.asn1.cms.IssuerAndSerialNumber;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.Attribute;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.cms.RequesterCertificate;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.RelatedCertificate;
import org.bouncycastle.cert.RelatedCertificateTool;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.ContentVerifier;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;

/** Pairs of certificates of which the second names the first (RFC 9763). */
final class Related {
    private Related() {}

    /** Each argument is a folder with the first and second certificate and the second's request as DER. */
    static Object read(List<String> folders) {
        return Peer.each(folders, folder -> {
            X509CertificateHolder first = Catalyst.holder(folder, "first");
            X509CertificateHolder second = Catalyst.holder(folder, "second");
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("related", Peer.outcome(() -> RelatedCertificateTool.isRelatedCertificate(
                RelatedCertificate.getInstance(
                    second.getExtension(Extension.relatedCertificate).getParsedValue()),
                first, digests())));
            report.put("request", Peer.outcome(() -> request(folder, first)));
            return report;
        });
    }

    private static Object request(Path folder, X509CertificateHolder first) throws Exception {
        PKCS10CertificationRequest request = new PKCS10CertificationRequest(Peer.file(folder, "csr.der"));
        Attribute[] attributes = request.getAttributes(PKCSObjectIdentifiers.id_aa_relatedCertRequest);
        RequesterCertificate requester = RelatedCertificateTool.fromAttribute(attributes[0]);
        ContentVerifier verifier =
            Keys.verifier(Catalyst.own(first)).get(first.getSignatureAlgorithm());
        return Map.of(
            "own", request.isSignatureValid(
                Keys.verifier(Keys.readPublic(request.getSubjectPublicKeyInfo().getEncoded()))),
            "firsts", RelatedCertificateTool.verifyRequesterCertificate(requester, verifier),
            "names", requester.getCertID().equals(new IssuerAndSerialNumber(first.toASN1Structure())),
            "time", requester.getRequestTime().getTime().longValueExact(),
            "locations", List.of(requester.getLocationInfo()));
    }

    private static DigestCalculatorProvider digests() throws Exception {
        return new JcaDigestCalculatorProviderBuilder().setProvider(Keys.BC).build();
    }

    /** Arguments: a folder, the algorithm of the first certificate and its authority, that of the second, the URI. */
    static Object issue(List<String> arguments) throws Exception {
        Path folder = Path.of(arguments.get(0));
        String oid = arguments.get(1);
        String secondOid = arguments.get(2);
        KeyPair authority = Keys.generate(oid);
        KeyPair workload = Keys.generate(oid);
        X509CertificateHolder first = Chains.workload(Chains.info(authority), Chains.info(workload))
            .build(Keys.signer(oid, authority.getPrivate()));
        Peer.write(folder, "first-root.der", Chains.authority(authority).build(
            Keys.signer(oid, authority.getPrivate())).getEncoded());
        Peer.write(folder, "first.der", first.getEncoded());

        KeyPair secondAuthority = Keys.generate(secondOid);
        KeyPair secondWorkload = Keys.generate(secondOid);
        RequesterCertificate requester = RelatedCertificateTool.createRequesterCertificate(
            new IssuerAndSerialNumber(first.toASN1Structure()), new BinaryTime(new Date()),
            new String[] {arguments.get(3)}, Keys.signer(oid, workload.getPrivate()));
        PKCS10CertificationRequestBuilder request = Chains.request(Chains.info(secondWorkload));
        request.addAttribute(PKCSObjectIdentifiers.id_aa_relatedCertRequest, requester);
        Peer.write(folder, "csr.der", request.build(
            Keys.signer(secondOid, secondWorkload.getPrivate())).getEncoded());

        X509v3CertificateBuilder second =
            Chains.workload(Chains.info(secondAuthority), Chains.info(secondWorkload));
        second.addExtension(Extension.relatedCertificate, false,
            RelatedCertificateTool.createRelatedCertificate(
                first, digests().get(new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256))));
        Peer.write(folder, "second-root.der", Chains.authority(secondAuthority).build(
            Keys.signer(secondOid, secondAuthority.getPrivate())).getEncoded());
        Peer.write(folder, "second.der", second.build(
            Keys.signer(secondOid, secondAuthority.getPrivate())).getEncoded());
        return true;
    }
}
