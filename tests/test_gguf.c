#include "gguf/gguf.h"
int main(void) {
    return 0;
}
