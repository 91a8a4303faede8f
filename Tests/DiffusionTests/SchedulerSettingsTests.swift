import SwageDiffusion
import SwageTensor
import Testing

/// Scheduler settings that must not be trusted, and the names that users choose by.
@Suite struct SchedulerSettingsTests {
  private func diagnostic(_ make: () throws(SchedulerError) -> Void) -> Diagnostic? {
    do throws(SchedulerError) {
      try make()
      return nil
    } catch {
      return error.diagnostics.first
    }
  }

  private func settings(_ text: String) throws(SchedulerError) -> SchedulerSettings {
    try SchedulerSettings(json: Array(text.utf8), place: "scheduler_config.json")
  }

  @Test(arguments: ["", "[]", "{", "{}", #"{"_class_name": 3}"#, #"{"_class_name": "x", "_class_name": "y"}"#, "nan"])
  func badFile(_ text: String) {
    #expect(diagnostic { () throws(SchedulerError) in _ = try settings(text) }?.code == "scheduler-file")
  }

  @Test func unknownClass() throws {
    let settings = try settings(#"{"_class_name": "HeunDiscreteScheduler", "beta_start": 0.001}"#)
    let problem = diagnostic { () throws(SchedulerError) in _ = try settings.makeScheduler(steps: 5) }
    #expect(problem?.code == "scheduler-unknown")
    #expect(problem?.remedy?.contains("dpm++-karras") == true)
    // Another one can be chosen all the same.
    #expect(try settings.converted(toName: "euler").makeScheduler(steps: 5).timesteps.count == 5)
    #expect(try settings.converted(toName: "LCMScheduler").makeScheduler(steps: 5).timesteps.count == 5)
    #expect(
      diagnostic { () throws(SchedulerError) in _ = try settings.converted(toName: "heun") }?.code
        == "scheduler-unknown")
  }

  @Test(arguments: [
    #"{"_class_name": "DDIMScheduler", "beta_schedule": "sigmoid"}"#,
    #"{"_class_name": "DDIMScheduler", "prediction_type": "flow_prediction"}"#,
    #"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1e3}"#,
    #"{"_class_name": "DDIMScheduler", "num_train_timesteps": 9223372036854775807}"#,
    #"{"_class_name": "DDIMScheduler", "clip_sample": 1}"#,
    #"{"_class_name": "DDIMScheduler", "trained_betas": [0.1, 0.2]}"#,
    #"{"_class_name": "DDIMScheduler", "beta_end": 1.0, "beta_start": 0.5}"#,
    #"{"_class_name": "PNDMScheduler", "prediction_type": "sample"}"#,
    #"{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true, "use_beta_sigmas": true}"#,
    #"{"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "log"}"#,
    #"{"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "sample"}"#,
    #"{"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true}"#,
    #"{"_class_name": "DPMSolverMultistepScheduler", "variance_type": "learned_range"}"#,
    #"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 4}"#,
    #"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}"#,
    #"{"_class_name": "UniPCMultistepScheduler", "solver_p": {"a": 1}}"#,
    #"{"_class_name": "UniPCMultistepScheduler", "disable_corrector": ["x"]}"#,
    #"{"_class_name": "LCMScheduler", "original_inference_steps": 0}"#,
  ]) func unusableOption(_ text: String) throws {
    let settings = try settings(text)
    let problem = diagnostic { () throws(SchedulerError) in _ = try settings.makeScheduler(steps: 5) }
    #expect(problem?.code == "scheduler-option", "\(text)")
    #expect(problem?.place.file == "scheduler_config.json")
  }

  @Test func steps() throws {
    for kind in SchedulerKind.allCases {
      let settings = SchedulerSettings(className: kind.rawValue)
      for steps in [Int.min, -1, 0, 1001, Int.max] {
        let problem = diagnostic { () throws(SchedulerError) in _ = try settings.makeScheduler(steps: steps) }
        #expect(problem?.code == "scheduler-steps")
        #expect(problem?.fault == .usage)
      }
    }
    // Steps for which diffusers' "trailing" gives a timestep -1 at the end.
    for steps in [61, 103, 499, 998] {
      let settings = try settings(#"{"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}"#)
      let timesteps = try settings.makeScheduler(steps: steps).timesteps
      #expect(timesteps.count == steps && timesteps.allSatisfy { $0 >= 0 })
    }
  }

  @Test func oldStableDiffusion() throws {
    let old = try settings(#"{"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}"#)
    #expect(try old.makeScheduler(steps: 2).timesteps == [500, 0])
    var scheduler = try old.correctedForStableDiffusion().makeScheduler(steps: 2)
    #expect(scheduler.timesteps == [501, 1])
    // An original of 5 stays: DDIM's default would clip it to 1.
    let sample = scheduler.addNoise([5], noise: [0], step: 1)
    #expect(abs(scheduler.step([0], step: 1, sample: sample) { _ in [] }[0] - 5) < 1e-5)
  }

  @Test func share() {
    #expect(firstStep(strength: 0.8, steps: 50) == 10)
    #expect(firstStep(strength: 1, steps: 50) == 0)
    #expect(firstStep(strength: 0, steps: 50) == 50)
    #expect(firstStep(strength: 7, steps: 50) == 0)
    #expect(firstStep(strength: .nan, steps: 50) >= 0)
  }

  /// Whatever a file says under any name: a scheduler that runs to its end, or a diagnostic.
  @Test func anyValues() throws {
    let keys = [
      "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "clip_sample",
      "clip_sample_range", "set_alpha_to_one", "steps_offset", "prediction_type", "thresholding",
      "dynamic_thresholding_ratio", "sample_max_value", "timestep_spacing", "rescale_betas_zero_snr", "skip_prk_steps",
      "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "interpolation_type",
      "sigma_min", "sigma_max", "timestep_type", "final_sigmas_type", "solver_order", "algorithm_type", "solver_type",
      "lower_order_final", "euler_at_final", "lambda_min_clipped", "predict_x0", "disable_corrector",
      "original_inference_steps", "timestep_scaling", "variance_type", "use_flow_sigmas",
    ]
    let values: [StrictJSON] = [
      .null, .bool(true), .bool(false), .integer(-1), .integer(0), .integer(1), .integer(2), .integer(3),
      .integer(.max), .number(0), .number(0.5), .number(1e-30), .number(1e300), .number(-.infinity), .number(.nan),
      .string(""), .string("sample"), .string("v_prediction"), .string("trailing"), .string("linspace"),
      .string("sigma_min"), .string("squaredcos_cap_v2"), .string("sde-dpmsolver++"), .array([]),
      .array([.integer(0), .number(.nan)]), .object([]),
    ]
    var made = 0
    var refused = 0
    for kind in SchedulerKind.allCases {
      for key in keys {
        for value in values {
          let settings = SchedulerSettings(className: kind.rawValue, values: [key: value])
          for steps in [1, 2, 6] {
            do throws(SchedulerError) {
              var scheduler = try settings.makeScheduler(steps: steps, batch: 2, eta: 0.5)
              var generator = TorchGenerator(seed: 1)
              var sample = generator.randn(4)
              for step in scheduler.timesteps.indices {
                let output = scheduler.scaleModelInput(sample, step: step)
                sample = scheduler.step(output, step: step, sample: sample) { generator.randn($0) }
              }
              #expect(sample.count == 4)
              made += 1
            } catch {
              refused += 1
            }
          }
        }
      }
    }
    #expect(made > 1000 && refused > 1000)
  }
}
