import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXCertPathValidatorResult;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;

/** Chains, requests and keys of one algorithm. */
final class Chains {
    /** What is signed to see whether two keys belong together. */
    static final byte[] MESSAGE = "signed with the key that was read".getBytes(StandardCharsets.UTF_8);

    static final String TRUST_DOMAIN = "spiffe://example.org";
    static final String WORKLOAD = TRUST_DOMAIN + "/interop/workload";
    static final X500Name AUTHORITY = new X500Name("C=US,O=BouncyCastle");
    private static final long HOUR = 60 * 60 * 1000;

    private Chains() {}

    /** Each argument is a folder with leaf, intermediate, root, csr and key as DER, and a signature. */
    static Object read(List<String> folders) {
        return Peer.each(folders, folder -> {
            X509Certificate leaf = certificate(folder, "leaf");
            X509Certificate intermediate = certificate(folder, "intermediate");
            X509Certificate root = certificate(folder, "root");
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("issued", List.of(
                issued(leaf, intermediate), issued(intermediate, root), issued(root, root)));
            report.put("path", Peer.outcome(() -> path(root, List.of(leaf, intermediate))));
            report.put("request", Peer.outcome(() -> {
                PKCS10CertificationRequest csr = new PKCS10CertificationRequest(Peer.file(folder, "csr.der"));
                return csr.isSignatureValid(Keys.verifier(Keys.readPublic(csr.getSubjectPublicKeyInfo().getEncoded())));
            }));
            report.put("key", Peer.outcome(() -> key(folder, leaf)));
            report.put("signature", Peer.outcome(() -> Keys.verify(
                leaf.getSigAlgOID(), leaf.getPublicKey(), MESSAGE, Peer.file(folder, "signature"))));
            return report;
        });
    }

    static X509Certificate certificate(Path folder, String name) throws Exception {
        return certificate(Peer.file(folder, name + ".der"));
    }

    /** Of DER or PEM. */
    static X509Certificate certificate(byte[] encoded) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", Keys.BC);
        return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(encoded));
    }

    private static Object issued(X509Certificate certificate, X509Certificate issuer) {
        return Peer.outcome(() -> {
            certificate.verify(issuer.getPublicKey(), Keys.BC);
            return true;
        });
    }

    /** RFC 5280 path validation; what is below the root, leaf first. */
    static Object path(X509Certificate root, List<X509Certificate> below) throws Exception {
        CertPath path = CertificateFactory.getInstance("X.509", Keys.BC).generateCertPath(below);
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.setRevocationEnabled(false);
        PKIXCertPathValidatorResult result = (PKIXCertPathValidatorResult)
            CertPathValidator.getInstance("PKIX", Keys.BC).validate(path, parameters);
        List<Object> uris = new ArrayList<>();
        for (List<?> name : below.get(0).getSubjectAlternativeNames()) {
            uris.add(name.get(1));
        }
        boolean leafs = Arrays.equals(
            result.getPublicKey().getEncoded(), below.get(0).getPublicKey().getEncoded());
        return Map.of("uris", uris, "key_is_the_leafs", leafs);
    }

    /** Reads the private key, signs with it, has the certificate's public key verify that, and writes it again. */
    private static Object key(Path folder, X509Certificate leaf) throws Exception {
        PrivateKey key = Keys.readPrivate(Peer.file(folder, "key.der"));
        String oid = leaf.getSigAlgOID();
        byte[] signature = Keys.sign(oid, key, MESSAGE);
        return Map.of(
            "is_the_leafs", Keys.verify(oid, leaf.getPublicKey(), MESSAGE, signature),
            "signature", Peer.hex(signature),
            "written", Peer.hex(key.getEncoded()));
    }

    /**
     * Arguments: a folder, then algorithms; each is given a root, a workload below it, and the workload's request.
     * Where the root's is another one, it stands before the workload's and a plus sign.
     */
    static Object issue(List<String> arguments) {
        Map<String, Object> reports = new LinkedHashMap<>();
        for (String name : arguments.subList(1, arguments.size())) {
            Path folder = Path.of(arguments.get(0)).resolve(name);
            String[] oids = name.split("\\+");
            reports.put(name, Peer.outcome(() -> issue(folder, oids[0], oids[oids.length - 1])));
        }
        return reports;
    }

    private static Object issue(Path folder, String rootOid, String oid) throws Exception {
        KeyPair authority = Keys.generate(rootOid);
        KeyPair workload = Keys.generate(oid);
        SubjectPublicKeyInfo authorityKey = info(authority);
        Peer.write(folder, "root.der", authority(authority).build(
            Keys.signer(rootOid, authority.getPrivate())).getEncoded());
        Peer.write(folder, "leaf.der", workload(authorityKey, info(workload)).build(
            Keys.signer(rootOid, authority.getPrivate())).getEncoded());
        Peer.write(folder, "csr.der", request(info(workload)).build(
            Keys.signer(oid, workload.getPrivate())).getEncoded());
        Peer.write(folder, "key.der", workload.getPrivate().getEncoded());
        Peer.write(folder, "signature", Keys.sign(oid, workload.getPrivate(), MESSAGE));
        return true;
    }

    static SubjectPublicKeyInfo info(KeyPair pair) {
        return SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded());
    }

    /** A self-signed authority of the trust domain, yet to be signed. */
    static X509v3CertificateBuilder authority(KeyPair pair) throws Exception {
        X509v3CertificateBuilder builder = builder(AUTHORITY, AUTHORITY, info(pair));
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
        builder.addExtension(
            Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
        builder.addExtension(Extension.subjectAlternativeName, false, uri(TRUST_DOMAIN));
        builder.addExtension(Extension.subjectKeyIdentifier, false,
            new JcaX509ExtensionUtils().createSubjectKeyIdentifier(info(pair)));
        return builder;
    }

    /** The workload's certificate below an authority, yet to be signed. */
    static X509v3CertificateBuilder workload(SubjectPublicKeyInfo authority, SubjectPublicKeyInfo key)
        throws Exception {
        X509v3CertificateBuilder builder =
            builder(AUTHORITY, new X500Name("C=US,O=BouncyCastle,CN=workload"), key);
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
        builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(
            new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth}));
        builder.addExtension(Extension.subjectAlternativeName, false, uri(WORKLOAD));
        JcaX509ExtensionUtils identifiers = new JcaX509ExtensionUtils();
        builder.addExtension(
            Extension.authorityKeyIdentifier, false, identifiers.createAuthorityKeyIdentifier(authority));
        builder.addExtension(
            Extension.subjectKeyIdentifier, false, identifiers.createSubjectKeyIdentifier(key));
        return builder;
    }

    static GeneralNames uri(String uri) {
        return new GeneralNames(new GeneralName(GeneralName.uniformResourceIdentifier, uri));
    }

    private static X509v3CertificateBuilder builder(X500Name issuer, X500Name subject, SubjectPublicKeyInfo key) {
        long now = System.currentTimeMillis();
        BigInteger serial = new BigInteger(120, new SecureRandom()).setBit(119);
        return new X509v3CertificateBuilder(
            issuer, serial, new Date(now - 60_000), new Date(now + HOUR), subject, key);
    }

    /** A request for the workload's identity, yet to be signed. */
    static PKCS10CertificationRequestBuilder request(SubjectPublicKeyInfo key) throws Exception {
        ExtensionsGenerator wanted = new ExtensionsGenerator();
        wanted.addExtension(Extension.subjectAlternativeName, false, uri(WORKLOAD));
        Extensions extensions = wanted.generate();
        return new PKCS10CertificationRequestBuilder(new X500Name("C=US,O=BouncyCastle"), key)
            .addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, extensions);
    }
}
