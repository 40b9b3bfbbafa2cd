#include "supervisor/identity.h"

#include "platform/channel.h"
#include "platform/secretfile.h"

_Static_assert((int)SECRETFILE_PEM_MAX_BYTES <= (int)FRAME_PEM_MAX_BYTES, "what can be read can be sent");

bool identity_is_needed(const struct config *config)
{
	return config->https.listen_count > 0;
}

int identity_load(const struct config *config, struct identity *identity, struct error *error)
{
	*identity = (struct identity){0};
	if (secretfile_pem_load(config->https.certificate, false, &identity->certificate, error) == 0 &&
	    secretfile_pem_load(config->https.key, true, &identity->key, error) == 0 &&
	    secretfile_pem_load(config->https.client_ca, false, &identity->client_ca, error) == 0)
		return 0;
	identity_free(identity);
	return -1;
}

int identity_send(const struct identity *identity, int control, struct error *error)
{
	const struct frame frame = {
		.kind = FRAME_IDENTITY,
		.field_count = 3,
		.fields = {{identity->certificate.bytes, identity->certificate.length},
			   {identity->key.bytes, identity->key.length},
			   {identity->client_ca.bytes, identity->client_ca.length}},
	};

	if (channel_send(control, &frame, -1, error) == 0)
		return 0;
	return error_set(error, ERROR_INTERNAL, NULL, "the front does not read what it is sent");
}

void identity_free(struct identity *identity)
{
	secretfile_pem_free(&identity->certificate);
	secretfile_pem_free(&identity->key);
	secretfile_pem_free(&identity->client_ca);
}
