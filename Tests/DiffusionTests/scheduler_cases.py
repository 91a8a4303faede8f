"""The scheduler configurations that the tests compare with diffusers."""

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SPACINGS = ["linspace", "leading", "trailing"]
SIGMAS = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]

DDIM, PNDM, LMS = "DDIMScheduler", "PNDMScheduler", "LMSDiscreteScheduler"
EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
DPM, UNIPC, LCM = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "LCMScheduler"
CLASSES = [DDIM, PNDM, LMS, EULER, ANCESTRAL, DPM, UNIPC, LCM]
WITHOUT_SAMPLE = [PNDM, ANCESTRAL]
RESCALING = [DDIM, EULER, ANCESTRAL, DPM, UNIPC, LCM]

# The configuration of Stable Diffusion 1.5, which other schedulers are made from.
STABLE_DIFFUSION = {
    "_class_name": PNDM, "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
    "trained_betas": None, "clip_sample": False,
}
NAMES = {
    "ddim": (DDIM, {}), "pndm": (PNDM, {}), "lms": (LMS, {}), "lms-karras": (LMS, {"use_karras_sigmas": True}),
    "euler": (EULER, {}), "euler-karras": (EULER, {"use_karras_sigmas": True}), "euler-ancestral": (ANCESTRAL, {}),
    "dpm++": (DPM, {}), "dpm++-karras": (DPM, {"use_karras_sigmas": True}),
    "dpm++-sde": (DPM, {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++-sde-karras": (DPM, {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}),
    "unipc": (UNIPC, {}), "unipc-karras": (UNIPC, {"use_karras_sigmas": True}), "lcm": (LCM, {}),
}


def cases():
    """(class, settings, steps, further arguments) of each case."""
    result = []

    def add(name, settings, steps=10, **more):
        result.append((name, STABLE | settings, steps, more))

    for name in CLASSES:
        for prediction in ["epsilon", "v_prediction"] + ([] if name in WITHOUT_SAMPLE else ["sample"]):
            for spacing in SPACINGS:
                add(name, {"prediction_type": prediction, "timestep_spacing": spacing})
        for steps in [1, 2, 3, 5, 25, 50]:
            if not (name == PNDM and steps < 4):
                add(name, {}, steps)
        add(name, {"skip_prk_steps": True}, 7)
        for strength in [0.3, 0.5, 0.8]:
            more = {"skip_prk_steps": True} if name == PNDM else {}
            add(name, more, 10, strength=strength)
            add(name, more | {"prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 16, strength=strength)
        for schedule in ["linear", "squaredcos_cap_v2"]:
            add(name, {"beta_schedule": schedule})
        add(name, {"trained_betas": [0.0001 + 0.0003 * index for index in range(60)], "num_train_timesteps": 60})
        add(name, {"num_train_timesteps": 200, "beta_end": 0.05}, 12)
        if name in RESCALING:
            add(name, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"})
            add(name, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "leading"}, 12)
    # Without Stable Diffusion's settings: each class's own defaults.
    for name in CLASSES:
        result.append((name, {}, 10, {}))

    for eta in [0.3, 1.0]:
        add(DDIM, {"clip_sample": False}, eta=eta)
        add(DDIM, {"prediction_type": "v_prediction", "clip_sample": False}, eta=eta)
    for name in [DDIM, LCM]:
        for reach in [0.5, 1.5]:
            add(name, {"clip_sample": True, "clip_sample_range": reach})
        add(name, {"set_alpha_to_one": False, "clip_sample": False})
    for name in [DDIM, DPM, UNIPC, LCM]:
        add(name, {"thresholding": True, "sample_max_value": 1.5})
        add(name, {"thresholding": True, "dynamic_thresholding_ratio": 0.7, "sample_max_value": 3.0}, 6)
    for skips in [True, False]:
        for steps in [4, 10, 13, 20]:
            add(PNDM, {"skip_prk_steps": skips, "set_alpha_to_one": skips}, steps)
            add(PNDM, {"skip_prk_steps": skips, "prediction_type": "v_prediction", "timestep_spacing": "linspace"}, steps)
    for name in [LMS, EULER, DPM, UNIPC]:
        for key in SIGMAS:
            for spacing in SPACINGS:
                add(name, {key: True, "timestep_spacing": spacing})
            for steps in [1, 2, 20]:
                add(name, {key: True}, steps)
            add(name, {key: True, "prediction_type": "v_prediction", "beta_schedule": "squaredcos_cap_v2"})
            add(name, {key: True}, 10, strength=0.6)
    for name in [EULER, UNIPC]:
        for key in SIGMAS:
            add(name, {key: True, "sigma_min": 0.05, "sigma_max": 9.0})
    for name in [EULER, DPM, UNIPC]:
        add(name, {"final_sigmas_type": "sigma_min"})
        for key in SIGMAS:
            add(name, {key: True, "final_sigmas_type": "sigma_min"}, 12)
    add(EULER, {"interpolation_type": "log_linear"})
    add(EULER, {"interpolation_type": "log_linear", "use_karras_sigmas": True})
    add(EULER, {"timestep_type": "continuous", "prediction_type": "v_prediction", "use_karras_sigmas": True})
    add(EULER, {"timestep_type": "continuous", "prediction_type": "v_prediction"})

    for algorithm in ["dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"]:
        for order in [1, 2, 3]:
            if algorithm == "sde-dpmsolver" and order == 3:
                continue
            for solver in ["midpoint", "heun"]:
                more = {} if algorithm.endswith("++") else {"final_sigmas_type": "sigma_min"}
                settings = {"algorithm_type": algorithm, "solver_order": order, "solver_type": solver} | more
                add(DPM, settings)
                add(DPM, settings | {"prediction_type": "v_prediction"}, 18)
                add(DPM, settings | {"lower_order_final": False, "final_sigmas_type": "sigma_min"})
        add(DPM, {"algorithm_type": algorithm, "thresholding": True, "final_sigmas_type": "sigma_min"})
        add(DPM, {"algorithm_type": algorithm, "prediction_type": "sample", "final_sigmas_type": "sigma_min"})
    add(DPM, {"euler_at_final": True, "final_sigmas_type": "sigma_min"}, 20)
    add(DPM, {"euler_at_final": True, "use_karras_sigmas": True}, 20)
    add(DPM, {"use_lu_lambdas": True})
    add(DPM, {"use_lu_lambdas": True, "beta_schedule": "squaredcos_cap_v2"}, 16)
    add(DPM, {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2"})
    add(DPM, {"lambda_min_clipped": -2.0, "timestep_spacing": "trailing"})
    add(DPM, {"lambda_min_clipped": -2.0, "timestep_spacing": "leading"})
    add(DPM, {"algorithm_type": "deis", "solver_type": "logrho", "final_sigmas_type": "sigma_min"})

    for order in [1, 2, 3]:
        for solver in ["bh1", "bh2"]:
            for original in [True, False]:
                settings = {"solver_order": order, "solver_type": solver, "predict_x0": original}
                add(UNIPC, settings | {"final_sigmas_type": "sigma_min"})
                add(UNIPC, settings | {"final_sigmas_type": "sigma_min", "prediction_type": "v_prediction"}, 17)
                add(UNIPC, settings | {"final_sigmas_type": "sigma_min", "lower_order_final": False})
    add(UNIPC, {"solver_order": 3})
    add(UNIPC, {"disable_corrector": [0, 1, 4]})
    add(UNIPC, {"predict_x0": False, "prediction_type": "sample", "final_sigmas_type": "sigma_min"})
    add(UNIPC, {"solver_type": "midpoint"})

    for original, steps in [(50, 4), (50, 8), (50, 50), (100, 7), (4, 4), (1000, 3)]:
        add(LCM, {"original_inference_steps": original}, steps)
    add(LCM, {"timestep_scaling": 0.5}, 4)
    return result
