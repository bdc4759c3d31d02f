/* Exits with 0 when the libyara that it is linked with compiles what Tyto's users load. */
#include <yara.h>

static const char rules[] =
    "import \"pe\" import \"elf\" import \"dotnet\" import \"math\" import \"hash\" import \"time\"\n"
    "import \"string\" import \"console\" import \"dex\" import \"macho\"\n"
    "rule probe { condition:\n"
    "  pe.number_of_signatures == 0 or pe.imphash() == \"\" or hash.sha256(0, filesize) == \"\" }\n";

int main(void)
{
  YR_COMPILER* compiler;

  if (yr_initialize() != ERROR_SUCCESS || yr_compiler_create(&compiler) != ERROR_SUCCESS)
    return 1;
  return yr_compiler_add_string(compiler, rules, NULL) != 0;
}
