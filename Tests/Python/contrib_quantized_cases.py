def cases(chosen):
    return []
