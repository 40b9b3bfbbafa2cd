/* Any bytes as agent.conf: no crash, and what is taken keeps its promises (nothing that could break the appliance's command line). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_word(const char *word)
{
	if (strpbrk(word, "; \t\r\n\"'`\\$|&<>"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct error error = {0};
	char memory[1024];
	struct buf out;

	if (config_parse((const char *)data, size, "fuzz.conf", &config, &error) != 0) {
		if (error.code != ERROR_CONFIG || error.what[0] == '\0')
			abort();
		return 0;
	}
	if (error.code != ERROR_NONE || config.appliance.domain[0] == '\0' || config.agent.state_dir[0] != '/')
		abort();
	check_word(config.appliance.domain);
	check_word(config.appliance.peering_object);
	check_word(config.appliance.address);
	(void)config_require_host_key(&config, &error);
	buf_init(&out, memory, sizeof memory);
	(void)config_warnings(&config, &out);
	if (out.overflow)
		abort();
	return 0;
}
