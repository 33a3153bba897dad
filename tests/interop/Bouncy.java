/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Bouncy Castle for the interoperability tests: reads one command a line from
 * standard input, its words divided by tabs, and answers "ok" or "no REASON".
 *   open KEY CERTIFICATE CMS OUT         decrypt DER
 *   verify ANCHOR CMS CONTENT|- OUT      check a signature, detached or not
 *   seal CERTIFICATE CIPHER HASH|- IN OUT   HASH: of OAEP, of the derivation
 *   sign KEY CERTIFICATE ALGORITHM opaque|detached CAPABILITIES|- IN OUT
 *   pack IN OUT                          CompressedData
 * Keys are PKCS#8 in PEM. Run by the source launcher of a JRE.
 */
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import org.bouncycastle.cert.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cms.*;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.operator.*;
import org.bouncycastle.util.encoders.Hex;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class Bouncy {
	static byte[] read(String path) throws IOException {
		return Files.readAllBytes(Paths.get(path));
	}

	static X509Certificate certificate(String path) throws Exception {
		return (X509Certificate)CertificateFactory.getInstance("X.509", "BC")
		    .generateCertificate(new ByteArrayInputStream(read(path)));
	}

	static PrivateKey key(String path, String algorithm) throws Exception {
		String pem = new String(read(path), "US-ASCII");
		byte[] der = Base64.getMimeDecoder().decode(
		    pem.replaceAll("-----[A-Z ]+-----", ""));
		return KeyFactory.getInstance(algorithm, "BC").generatePrivate(
		    new PKCS8EncodedKeySpec(der));
	}

	static Recipient recipient(RecipientInformation r, PrivateKey k, boolean auth) {
		/* AuthEnvelopedData with ECDH has no class of its own, and none
		   is needed */
		if (r instanceof KeyAgreeRecipientInformation)
			return new JceKeyAgreeEnvelopedRecipient(k).setProvider("BC");
		return auth ? new JceKeyTransAuthEnvelopedRecipient(k).setProvider("BC")
			    : new JceKeyTransEnvelopedRecipient(k).setProvider("BC");
	}

	static void open(String[] w) throws Exception {
		X509Certificate cert = certificate(w[2]);
		String algorithm = cert.getPublicKey().getAlgorithm();
		boolean rsa = algorithm.equals("RSA");
		PrivateKey k = key(w[1], rsa ? "RSA" : "EC");
		byte[] der = read(w[3]);
		String type = ContentInfo.getInstance(der).getContentType().getId();
		boolean auth = type.equals(CMSObjectIdentifiers.authEnvelopedData.getId());
		RecipientInformationStore all = auth
		    ? new CMSAuthEnvelopedData(der).getRecipientInfos()
		    : new CMSEnvelopedData(der).getRecipientInfos();
		RecipientId id = rsa ? new JceKeyTransRecipientId(cert)
				     : new JceKeyAgreeRecipientId(cert);
		RecipientInformation r = all.get(id);

		if (r == null)
			throw new Exception("not a recipient");
		Files.write(Paths.get(w[4]), r.getContent(recipient(r, k, auth)));
	}

	static void verify(String[] w) throws Exception {
		X509Certificate anchor = certificate(w[1]);
		CMSSignedData signed = w[3].equals("-")
		    ? new CMSSignedData(read(w[2]))
		    : new CMSSignedData(new CMSProcessableByteArray(read(w[3])), read(w[2]));
		Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();

		if (signers.isEmpty())
			throw new Exception("no signer");
		for (SignerInformation s : signers) {
			Collection<?> found = signed.getCertificates().getMatches(s.getSID());
			X509CertificateHolder holder = (X509CertificateHolder)found.iterator().next();
			X509Certificate cert = new JcaX509CertificateConverter()
			    .setProvider("BC").getCertificate(holder);

			if (!s.verify(new JcaSimpleSignerInfoVerifierBuilder()
				    .setProvider("BC").build(cert)))
				throw new Exception("bad signature");
			cert.verify(anchor.getPublicKey(), "BC");
		}
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		signed.getSignedContent().write(out);
		Files.write(Paths.get(w[4]), out.toByteArray());
	}

	static ASN1ObjectIdentifier cipher(String name) {
		switch (name) {
		case "aes128-cbc": return CMSAlgorithm.AES128_CBC;
		case "aes256-cbc": return CMSAlgorithm.AES256_CBC;
		case "aes128-gcm": return CMSAlgorithm.AES128_GCM;
		case "aes256-gcm": return CMSAlgorithm.AES256_GCM;
		}
		return CMSAlgorithm.DES_EDE3_CBC;
	}

	static ASN1ObjectIdentifier agreement(String hash) {
		switch (hash) {
		case "SHA-256": return CMSAlgorithm.ECDH_SHA256KDF;
		case "SHA-384": return CMSAlgorithm.ECDH_SHA384KDF;
		case "SHA-512": return CMSAlgorithm.ECDH_SHA512KDF;
		}
		return CMSAlgorithm.ECDH_SHA1KDF;
	}

	static RecipientInfoGenerator to(X509Certificate cert, String hash) throws Exception {
		if (cert.getPublicKey().getAlgorithm().equals("RSA")) {
			if (hash.equals("-"))
				return new JceKeyTransRecipientInfoGenerator(cert).setProvider("BC");
			AlgorithmIdentifier oaep = new JcaAlgorithmParametersConverter()
			    .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP,
				new OAEPParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash),
				    PSource.PSpecified.DEFAULT));
			return new JceKeyTransRecipientInfoGenerator(cert, oaep).setProvider("BC");
		}
		KeyPairGenerator pair = KeyPairGenerator.getInstance("EC", "BC");
		pair.initialize(((java.security.interfaces.ECPublicKey)cert.getPublicKey()).getParams());
		KeyPair own = pair.generateKeyPair();
		return new JceKeyAgreeRecipientInfoGenerator(agreement(hash), own.getPrivate(),
		    own.getPublic(), CMSAlgorithm.AES256_WRAP).addRecipient(cert).setProvider("BC");
	}

	static void seal(String[] w) throws Exception {
		X509Certificate cert = certificate(w[1]);
		CMSTypedData data = new CMSProcessableByteArray(read(w[4]));
		OutputEncryptor with = new JceCMSContentEncryptorBuilder(cipher(w[2]))
		    .setProvider("BC").build();
		byte[] out;

		if (w[2].endsWith("gcm")) {
			CMSAuthEnvelopedDataGenerator g = new CMSAuthEnvelopedDataGenerator();
			g.addRecipientInfoGenerator(to(cert, w[3]));
			out = g.generate(data, (OutputAEADEncryptor)with).getEncoded();
		} else {
			CMSEnvelopedDataGenerator g = new CMSEnvelopedDataGenerator();
			g.addRecipientInfoGenerator(to(cert, w[3]));
			out = g.generate(data, with).getEncoded();
		}
		Files.write(Paths.get(w[5]), out);
	}

	static void sign(String[] w) throws Exception {
		X509Certificate cert = certificate(w[2]);
		CMSSignedDataGenerator g = new CMSSignedDataGenerator();

		ASN1EncodableVector attributes = new ASN1EncodableVector();
		if (!w[5].equals("-"))
			attributes.add(new Attribute(PKCSObjectIdentifiers.pkcs_9_at_smimeCapabilities,
			    new DERSet(ASN1Primitive.fromByteArray(Hex.decode(w[5])))));
		g.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder().setProvider("BC")
		    .setSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(
			new AttributeTable(attributes)))
		    .build(w[3], key(w[1], cert.getPublicKey().getAlgorithm()), cert));
		g.addCertificates(new JcaCertStore(Arrays.asList(cert)));
		Files.write(Paths.get(w[7]), g.generate(new CMSProcessableByteArray(read(w[6])),
		    w[4].equals("opaque")).getEncoded());
	}

	static void pack(String[] w) throws Exception {
		Files.write(Paths.get(w[2]), new CMSCompressedDataGenerator().generate(
		    new CMSProcessableByteArray(read(w[1])), new ZlibCompressor()).getEncoded());
	}

	static void run(String[] w) throws Exception {
		switch (w[0]) {
		case "open": open(w); break;
		case "verify": verify(w); break;
		case "seal": seal(w); break;
		case "sign": sign(w); break;
		case "pack": pack(w); break;
		default: throw new Exception("what?");
		}
	}

	public static void main(String[] args) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
		String line;

		Security.addProvider(new BouncyCastleProvider());
		System.out.println("version " + Security.getProvider("BC").getVersionStr());
		while ((line = in.readLine()) != null) {
			String[] w = line.split("\t");
			try {
				run(w);
				System.out.println("ok");
			} catch (Exception e) {
				System.out.println("no " + e.toString().replace('\n', ' '));
			}
			System.out.flush();
		}
	}
}
