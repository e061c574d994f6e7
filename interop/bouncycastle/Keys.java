import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.util.Map;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/** Keys by the object identifier of the algorithm that they sign with. */
final class Keys {
    static final String BC = BouncyCastleProvider.PROVIDER_NAME;

    /** The curve and the signature of the algorithms whose identifier does not say it all. */
    private static final Map<String, String[]> ECDSA = Map.of(
        "1.2.840.10045.4.3.2", new String[] {"P-256", "SHA256withECDSA"},
        "1.2.840.10045.4.3.3", new String[] {"P-384", "SHA384withECDSA"},
        "1.2.840.10045.4.3.4", new String[] {"P-521", "SHA512withECDSA"});

    /** Found by its name alone where keys are generated. */
    private static final String ED25519 = "1.3.101.112";

    private Keys() {}

    static KeyPair generate(String oid) throws Exception {
        if (ECDSA.containsKey(oid)) {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", BC);
            generator.initialize(new ECGenParameterSpec(ECDSA.get(oid)[0]));
            return generator.generateKeyPair();
        }
        return KeyPairGenerator.getInstance(ED25519.equals(oid) ? "Ed25519" : oid, BC).generateKeyPair();
    }

    static PrivateKey readPrivate(byte[] pkcs8) throws Exception {
        return BouncyCastleProvider.getPrivateKey(PrivateKeyInfo.getInstance(pkcs8));
    }

    static PublicKey readPublic(byte[] spki) throws Exception {
        return BouncyCastleProvider.getPublicKey(SubjectPublicKeyInfo.getInstance(spki));
    }

    static Signature signature(String oid) throws Exception {
        return Signature.getInstance(ECDSA.containsKey(oid) ? ECDSA.get(oid)[1] : oid, BC);
    }

    static byte[] sign(String oid, PrivateKey key, byte[] message) throws Exception {
        Signature signature = signature(oid);
        signature.initSign(key);
        signature.update(message);
        return signature.sign();
    }

    static boolean verify(String oid, PublicKey key, byte[] message, byte[] bytes) throws Exception {
        Signature signature = signature(oid);
        signature.initVerify(key);
        signature.update(message);
        return signature.verify(bytes);
    }

    /** Signs what BouncyCastle's builders build. */
    static ContentSigner signer(String oid, PrivateKey key) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        return new ContentSigner() {
            @Override
            public AlgorithmIdentifier getAlgorithmIdentifier() {
                return new AlgorithmIdentifier(new ASN1ObjectIdentifier(oid));
            }

            @Override
            public OutputStream getOutputStream() {
                content.reset();
                return content;
            }

            @Override
            public byte[] getSignature() {
                try {
                    return sign(oid, key, content.toByteArray());
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            }
        };
    }

    static ContentVerifierProvider verifier(PublicKey key) throws Exception {
        return new JcaContentVerifierProviderBuilder().setProvider(BC).build(key);
    }
}
