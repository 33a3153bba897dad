/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The notice in six languages. A notice that could be anybody's teaches people
 * to press links: it says who, why, until when, and how to tell.
 */
#include <string.h>

#include "gateway/notice_words.h"

static const struct notice_words table[] = {
    {
	.language = "en",
	.subject = "Encrypted message from {from}",
	.intro =
	    "Hello,\n\n"
	    "{from} has sent you a message that is too confidential for\n"
	    "ordinary mail. It is kept encrypted for you, and this link opens "
	    "it\nin any browser:\n\n"
	    "{link}\n\n",
	.passphrase =
	    "You also need a passphrase, which the sender tells you by "
	    "another\nway than mail. If you do not have it, ask the sender "
	    "for it.\n",
	.question = "You are asked a question of the sender's, and need its "
		    "answer.\n",
	.code = "When you open it, a code is sent to you at this address.\n",
	.account = "You open it with the passphrase that you have chosen for "
		   "messages from here.\n",
	.alone = "Whoever has this link can read the message: please do not "
		 "pass this\nmail on.\n",
	.until = "The message can be read there until {until}. Keep this mail "
		 "if you\nwant to read the message again.\n\n",
	.check =
	    "How to tell that this is genuine: the link begins with\n"
	    "{url}/ and there is no attachment to open. If you did not\n"
	    "expect anything from this sender, ask them before you open the "
	    "link,\nand not by answering this mail.\n\n",
	.attached =
	    "Hello,\n"
	    "\n"
	    "{from} has sent you a message that is too confidential for\n"
	    "ordinary mail. It is encrypted in the file attached to this mail. "
	    "Save the\n"
	    "file message.html and open it in any browser; no internet is "
	    "needed.\n"
	    "\n",
	.attached_check = "The file does not expire, and the sender cannot "
			  "take it back. Delete it\n"
			  "when you do not need it any more. To answer, write "
			  "an ordinary mail.\n"
			  "\n"
			  "How to tell that this is genuine: the file asks for "
			  "the passphrase of this\n"
			  "one message and for nothing else. If you did not "
			  "expect anything from this\n"
			  "sender, ask them before you open it, and not by "
			  "answering this mail.\n"
			  "\n",
	.signature = "Sent by the encryption gateway of {owner}\n",
    },
    {
	.language = "de",
	.subject = "Verschlüsselte Nachricht von {from}",
	.intro =
	    "Guten Tag,\n\n"
	    "{from} hat Ihnen eine Nachricht gesendet, die für\n"
	    "gewöhnliche E-Mail zu vertraulich ist. Sie liegt verschlüsselt "
	    "für Sie\nbereit, und dieser Link öffnet sie in jedem Browser:\n\n"
	    "{link}\n\n",
	.passphrase =
	    "Sie brauchen außerdem ein Passwort, das Ihnen der Absender auf "
	    "anderem\nWeg mitteilt. Wenn Sie es nicht haben, fragen Sie den "
	    "Absender danach.\n",
	.question = "Sie werden etwas gefragt, was der Absender wissen will, "
		    "und brauchen\ndie Antwort darauf.\n",
	.code = "Wenn Sie sie öffnen, wird Ihnen ein Code an diese Adresse "
		"gesendet.\n",
	.account = "Sie öffnen sie mit dem Passwort, das Sie für Nachrichten "
		   "von hier\ngewählt haben.\n",
	.alone = "Wer diesen Link hat, kann die Nachricht lesen: Bitte geben "
		 "Sie diese\nMail nicht weiter.\n",
	.until = "Die Nachricht kann dort bis {until} gelesen werden. Behalten "
		 "Sie diese\nMail, wenn Sie die Nachricht noch einmal lesen "
		 "wollen.\n\n",
	.check =
	    "Woran Sie erkennen, dass das echt ist: Der Link beginnt mit\n"
	    "{url}/ und Sie müssen keinen Anhang öffnen. Wenn Sie von\n"
	    "diesem Absender nichts erwartet haben, fragen Sie ihn, bevor Sie "
	    "den\nLink öffnen, und nicht als Antwort auf diese Mail.\n\n",
	.attached = "Guten Tag,\n"
		    "\n"
		    "{from} hat Ihnen eine Nachricht gesendet, die für\n"
		    "gewöhnliche E-Mail zu vertraulich ist. Sie steht "
		    "verschlüsselt in der Datei\n"
		    "im Anhang. Speichern Sie message.html und öffnen Sie die "
		    "Datei in einem\n"
		    "beliebigen Browser; Internet ist dazu nicht nötig.\n"
		    "\n",
	.attached_check = "Die Datei läuft nicht ab, und der Absender kann sie "
			  "nicht zurücknehmen.\n"
			  "Löschen Sie sie, wenn Sie sie nicht mehr brauchen. "
			  "Zum Antworten schreiben\n"
			  "Sie eine gewöhnliche Mail.\n"
			  "\n"
			  "Woran Sie erkennen, dass das echt ist: Die Datei "
			  "fragt nach dem Passwort\n"
			  "dieser einen Nachricht und nach nichts sonst. Wenn "
			  "Sie von diesem Absender\n"
			  "nichts erwartet haben, fragen Sie ihn, bevor Sie "
			  "sie öffnen, und nicht als\n"
			  "Antwort auf diese Mail.\n"
			  "\n",
	.signature = "Gesendet vom Verschlüsselungs-Gateway von {owner}\n",
    },
    {
	.language = "fr",
	.subject = "Message chiffré de {from}",
	.intro =
	    "Bonjour,\n\n"
	    "{from} vous a envoyé un message trop confidentiel pour\n"
	    "un courriel ordinaire. Il est conservé chiffré pour vous, et ce "
	    "lien\nl’ouvre dans n’importe quel navigateur :\n\n"
	    "{link}\n\n",
	.passphrase =
	    "Il vous faut aussi un mot de passe, que l’expéditeur vous "
	    "communique\nautrement que par courriel. Si vous ne l’avez pas, "
	    "demandez-le-lui.\n",
	.question = "Une question de l’expéditeur vous est posée ; il vous en "
		    "faut la réponse.\n",
	.code = "Quand vous l’ouvrez, un code vous est envoyé à cette "
		"adresse.\n",
	.account = "Vous l’ouvrez avec le mot de passe que vous avez choisi "
		   "pour les messages\nqui viennent d’ici.\n",
	.alone = "Qui possède ce lien peut lire le message : ne transmettez "
		 "pas ce courriel.\n",
	.until = "Le message peut y être lu jusqu’au {until}. Gardez ce "
		 "courriel si vous\nvoulez relire le message.\n\n",
	.check =
	    "Comment savoir que c’est authentique : le lien commence par\n"
	    "{url}/ et il n’y a aucune pièce jointe à ouvrir. Si vous\n"
	    "n’attendiez rien de cet expéditeur, demandez-lui avant d’ouvrir "
	    "le lien,\net non en répondant à ce courriel.\n\n",
	.attached = "Bonjour,\n"
		    "\n"
		    "{from} vous a envoyé un message trop confidentiel pour\n"
		    "un courriel ordinaire. Il est chiffré dans le fichier "
		    "joint. Enregistrez le\n"
		    "fichier message.html et ouvrez-le dans n’importe quel "
		    "navigateur ; Internet\n"
		    "n’est pas nécessaire.\n"
		    "\n",
	.attached_check =
	    "Le fichier n’expire pas et l’expéditeur ne peut pas le retirer.\n"
	    "Supprimez-le quand vous n’en avez plus besoin. Pour répondre, "
	    "écrivez un\n"
	    "courriel ordinaire.\n"
	    "\n"
	    "Comment savoir que c’est authentique : le fichier demande le mot "
	    "de passe de\n"
	    "ce seul message et rien d’autre. Si vous n’attendiez rien de cet "
	    "expéditeur,\n"
	    "demandez-lui avant de l’ouvrir, et non en répondant à ce "
	    "courriel.\n"
	    "\n",
	.signature = "Envoyé par la passerelle de chiffrement de {owner}\n",
    },
    {
	.language = "es",
	.subject = "Mensaje cifrado de {from}",
	.intro = "Hola:\n\n"
		 "{from} le ha enviado un mensaje demasiado confidencial\n"
		 "para el correo normal. Se guarda cifrado para usted, y este "
		 "enlace lo\nabre en cualquier navegador:\n\n"
		 "{link}\n\n",
	.passphrase =
	    "También necesita una contraseña, que el remitente le comunica por "
	    "otra\nvía que no sea el correo. Si no la tiene, pídasela.\n",
	.question = "Se le hace una pregunta del remitente y necesita la "
		    "respuesta.\n",
	.code = "Cuando lo abra, se le envía un código a esta dirección.\n",
	.account = "Lo abre con la contraseña que eligió para los mensajes "
		   "que vienen de\naquí.\n",
	.alone = "Quien tenga este enlace puede leer el mensaje: no reenvíe "
		 "este correo.\n",
	.until = "El mensaje se puede leer allí hasta el {until}. Conserve "
		 "este correo si\nquiere volver a leerlo.\n\n",
	.check =
	    "Cómo saber que es auténtico: el enlace empieza por\n"
	    "{url}/ y no hay ningún adjunto que abrir. Si no\n"
	    "esperaba nada de este remitente, pregúntele antes de abrir el "
	    "enlace, y\nno respondiendo a este correo.\n\n",
	.attached = "Hola:\n"
		    "\n"
		    "{from} le ha enviado un mensaje demasiado confidencial\n"
		    "para el correo normal. Está cifrado en el archivo "
		    "adjunto. Guarde el archivo\n"
		    "message.html y ábralo en cualquier navegador; no hace "
		    "falta internet.\n"
		    "\n",
	.attached_check =
	    "El archivo no caduca y el remitente no puede retirarlo. Bórrelo "
	    "cuando ya\n"
	    "no lo necesite. Para responder, escriba un correo normal.\n"
	    "\n"
	    "Cómo saber que es auténtico: el archivo pide la contraseña de "
	    "este único\n"
	    "mensaje y nada más. Si no esperaba nada de este remitente, "
	    "pregúntele antes\n"
	    "de abrirlo, y no respondiendo a este correo.\n"
	    "\n",
	.signature = "Enviado por la pasarela de cifrado de {owner}\n",
    },
    {
	.language = "it",
	.subject = "Messaggio cifrato da {from}",
	.intro =
	    "Buongiorno,\n\n"
	    "{from} Le ha inviato un messaggio troppo riservato per\n"
	    "una normale e-mail. È conservato cifrato per Lei, e questo link "
	    "lo apre\nin qualsiasi browser:\n\n"
	    "{link}\n\n",
	.passphrase =
	    "Le serve anche una password, che il mittente Le comunica in un "
	    "modo\ndiverso dalla posta. Se non l’ha, la chieda al mittente.\n",
	.question = "Le viene posta una domanda del mittente e Le serve la "
		    "risposta.\n",
	.code = "Quando lo apre, un codice Le viene inviato a questo "
		"indirizzo.\n",
	.account = "Lo apre con la password che ha scelto per i messaggi "
		   "che vengono da\nqui.\n",
	.alone = "Chi ha questo link può leggere il messaggio: non inoltri "
		 "questa mail.\n",
	.until = "Il messaggio può essere letto fino a {until}. Conservi "
		 "questa mail se\nvuole rileggerlo.\n\n",
	.check =
	    "Come capire che è autentico: il link comincia con\n"
	    "{url}/ e non c’è alcun allegato da aprire. Se non aspettava\n"
	    "nulla da questo mittente, gli chieda prima di aprire il link, e "
	    "non\nrispondendo a questa mail.\n\n",
	.attached = "Buongiorno,\n"
		    "\n"
		    "{from} Le ha inviato un messaggio troppo riservato per\n"
		    "una normale e-mail. È cifrato nel file allegato. Salvi il "
		    "file message.html\n"
		    "e lo apra in qualsiasi browser; Internet non serve.\n"
		    "\n",
	.attached_check =
	    "Il file non scade e il mittente non può ritirarlo. Lo cancelli "
	    "quando non\n"
	    "Le serve più. Per rispondere, scriva una mail normale.\n"
	    "\n"
	    "Come capire che è autentico: il file chiede la password di questo "
	    "solo\n"
	    "messaggio e nient’altro. Se non aspettava nulla da questo "
	    "mittente, gli\n"
	    "chieda prima di aprirlo, e non rispondendo a questa mail.\n"
	    "\n",
	.signature = "Inviato dal gateway di cifratura di {owner}\n",
    },
    {
	.language = "nl",
	.subject = "Versleuteld bericht van {from}",
	.intro =
	    "Goedendag,\n\n"
	    "{from} heeft u een bericht gestuurd dat te vertrouwelijk\n"
	    "is voor gewone mail. Het wordt versleuteld voor u bewaard, en "
	    "deze link\nopent het in elke browser:\n\n"
	    "{link}\n\n",
	.passphrase =
	    "U hebt ook een wachtwoord nodig, dat de afzender u op een andere "
	    "manier\ndan per mail doorgeeft. Hebt u het niet, vraag het dan de "
	    "afzender.\n",
	.question = "U krijgt een vraag van de afzender, en hebt het antwoord "
		    "erop nodig.\n",
	.code = "Wanneer u het opent, wordt u een code op dit adres "
		"gestuurd.\n",
	.account = "U opent het met de wachtwoordzin die u voor berichten van "
		   "hier hebt\ngekozen.\n",
	.alone = "Wie deze link heeft, kan het bericht lezen: stuur deze mail "
		 "niet door.\n",
	.until = "Het bericht kan daar tot {until} worden gelezen. Bewaar deze "
		 "mail als u\nhet bericht nog eens wilt lezen.\n\n",
	.check =
	    "Waaraan u ziet dat dit echt is: de link begint met\n"
	    "{url}/ en u hoeft geen bijlage te openen. Verwachtte u\n"
	    "niets van deze afzender, vraag het dan voordat u de link opent, "
	    "en niet\ndoor deze mail te beantwoorden.\n\n",
	.attached = "Goedendag,\n"
		    "\n"
		    "{from} heeft u een bericht gestuurd dat te vertrouwelijk\n"
		    "is voor gewone mail. Het staat versleuteld in het "
		    "bijgevoegde bestand. Sla\n"
		    "message.html op en open het in een browser; internet is "
		    "niet nodig.\n"
		    "\n",
	.attached_check = "Het bestand verloopt niet en de afzender kan het "
			  "niet intrekken. Verwijder\n"
			  "het als u het niet meer nodig hebt. Schrijf een "
			  "gewone mail om te antwoorden.\n"
			  "\n"
			  "Waaraan u ziet dat dit echt is: het bestand vraagt "
			  "om het wachtwoord van dit\n"
			  "ene bericht en om niets anders. Verwachtte u niets "
			  "van deze afzender, vraag\n"
			  "het dan voordat u het opent, en niet door deze mail "
			  "te beantwoorden.\n"
			  "\n",
	.signature = "Verstuurd door de versleutelingsgateway van {owner}\n",
    },
};

enum { N = sizeof(table) / sizeof(*table) };

const struct notice_words *
notice_words_at(size_t i)
{
	return i < N ? &table[i] : NULL;
}

const struct notice_words *
notice_words_find(const char *language)
{
	for (size_t i = 0; i < N; i++)
		if (strcmp(table[i].language, language) == 0)
			return &table[i];
	return NULL;
}

/* The value that begins at text, which stands behind a brace; *len_out is that
   of its name. */
static bool
value_of(const char *text, const struct notice_values *v, struct span *out,
    size_t *len_out)
{
	const struct {
		const char *name;
		struct span value;
	} values[] = {
	    {"from", span_str(v->from)},
	    {"link", v->link},
	    {"until", span_str(v->until)},
	    {"url", span_str(v->url)},
	    {"owner", span_str(v->owner)},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		size_t len = strlen(values[i].name);

		if (strncmp(text, values[i].name, len) == 0 &&
		    text[len] == '}') {
			*out = values[i].value;
			*len_out = len;
			return true;
		}
	}
	return false;
}

enum err
notice_words_put(
    struct buf *out, const char *text, const struct notice_values *values)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && *text != '\0') {
		size_t plain = strcspn(text, "{");
		struct span value;
		size_t len;

		e = buf_put(out, SPAN(text, plain));
		text += plain;
		if (e != ERR_OK || *text == '\0')
			break;
		if (!value_of(text + 1, values, &value, &len))
			return ERR_USAGE;
		e = buf_put(out, value);
		text += len + 2;
	}
	return e;
}
