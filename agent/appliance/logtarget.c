#include "appliance/logtarget.h"

const struct logtarget_code logtarget_codes[] = {
	{"0x88e000d7", "apic-gw-service"}, {"0x88e00210", "apic-gw-service"}, {"0x88e0028e", "apic-gw-service"},
	{"0x88e0007d", "apic-gw-service"}, {"0x88e0028f", "apic-gw-service"}, {"0x88e000a6", "apic-gw-service"},
	{"0x88e000a7", "apic-gw-service"}, {"0x88e000ac", "apic-gw-service"}, {"0x88e001ef", "apic-gw-service"},
	{"0x88e001f0", "apic-gw-service"}, {"0x88e001f1", "apic-gw-service"}, {"0x88e00011", "apic-gw-service"},
	{"0x88e00127", "apic-gw-service"}, {"0x80e0085f", "apigw"}, {"0x80e00860", "apigw"},
};
const size_t logtarget_code_count = sizeof logtarget_codes / sizeof logtarget_codes[0];

/* A target writes what is in one of its classes and has one of its codes, so the level may be the lowest at which such a line was seen. */
const struct logtarget_class logtarget_classes[] = {{"apic-gw-service", "info"}, {"apigw", "notice"}};
const size_t logtarget_class_count = sizeof logtarget_classes / sizeof logtarget_classes[0];
