/*
 * A static binary must not reach out of itself. libcrypto would load modules that the scanned
 * machine's OpenSSL configuration names (dlopen) and look up host names through the plug-ins of the
 * machine's glibc; nothing that Tyto calls needs either. The linker's option --wrap (see env.sh) sends
 * those calls here, where they fail. It also ends the linker's warnings about them, for the right
 * reason.
 */
#include <netdb.h>
#include <stddef.h>

#define UNUSED __attribute__((unused))

void* __wrap_dlopen(UNUSED const char* file, UNUSED int mode)
{
  return NULL;
}

int __wrap_getaddrinfo(
    UNUSED const char* node,
    UNUSED const char* service,
    UNUSED const struct addrinfo* hints,
    UNUSED struct addrinfo** result)
{
  return EAI_FAIL;
}

void __wrap_freeaddrinfo(UNUSED struct addrinfo* list)
{
}

struct hostent* __wrap_gethostbyname(UNUSED const char* name)
{
  return NULL;
}
